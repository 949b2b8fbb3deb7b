"""Weights and answers that may be used are finite: with NaN every answer is meaningless, and looks like one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def require_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """InputError naming the first of the tensors that holds NaN or infinity, and `source`, where they are from."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.is_meta or bool(tensor.isfinite().all()):
            continue
        wrong = tensor[~tensor.isfinite()]
        raise InputError(
            f"{source}: {wrong.numel():,} of the {tensor.numel():,} numbers in {name} are not finite (such as "
            f"{wrong[0].item()}): the training diverged, or the file is damaged; take an earlier one"
        )


def require_finite_answers(answers: NDArray[Any], source: str) -> None:
    """InputError when any of the N x classes `answers` of `source` is NaN or infinite: the most of such is no class."""
    wrong = int((~np.isfinite(answers)).any(axis=1).sum())
    if wrong:
        raise InputError(
            f"{source}: the answers to {wrong:,} of {len(answers):,} images are not finite numbers (NaN or infinity): "
            "the training diverged, or the file is damaged; take an earlier one, or export it again"
        )

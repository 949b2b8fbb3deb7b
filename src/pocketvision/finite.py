"""Weights and answers that may be used are finite: with NaN every answer is meaningless, and looks like one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def require_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """InputError naming the first of the tensors that holds NaN, infinity, or what is infinite in float32; `source` is
    where they are from.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.is_meta:
            finite = tensor.float().isfinite()
            if not bool(finite.all()):
                wrong = tensor[~finite]
                raise _refusal(source, name, wrong.numel(), tensor.numel(), wrong[0].item())


def require_finite_arrays(arrays: Iterable[tuple[str, NDArray[np.floating]]], source: str) -> None:
    """The same of NumPy's arrays and their names."""
    for name, array in arrays:
        finite = np.isfinite(array)
        if not finite.all():
            raise _refusal(source, name, int((~finite).sum()), array.size, float(array[~finite][0]))


def _refusal(source: str, name: str, wrong: int, total: int, first: float) -> InputError:
    if np.isfinite(first):
        return InputError(
            f"{source}: {wrong:,} of the {total:,} numbers in {name} are beyond float32 (such as {first:.3g}), in "
            "which networks compute: the file is damaged, or was made for something else; take another"
        )
    return InputError(
        f"{source}: {wrong:,} of the {total:,} numbers in {name} are not finite (such as {first}): the training "
        "diverged, or the file is damaged; take an earlier one"
    )


def require_finite_answers(answers: NDArray[Any], source: str) -> None:
    """InputError when any of the N x classes `answers` of `source` is NaN or infinite: the most of such is no class."""
    wrong = int((~np.isfinite(answers)).any(axis=1).sum())
    if wrong:
        raise InputError(
            f"{source}: the answers to {wrong:,} of {len(answers):,} images are not finite numbers (NaN or infinity): "
            "the training diverged, or the file is damaged; take an earlier one, or export it again"
        )

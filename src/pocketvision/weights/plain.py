"""Tensors as dense real numbers: what is stored otherwise is unpacked, or refused by its name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pocketvision.errors import InputError

FLOAT8 = 1  # byte a number; PyTorch can store these, and do nothing else with them


def plain(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Sparse tensors dense, float8 as float32, all others as they are.

    InputError, with `source`, for tensors that hold no real numbers: meta, quantised, complex ones.
    """
    return {name: _plain(tensor, f"{source}: {name}") for name, tensor in tensors.items()}


def _plain(tensor: Tensor, what: str) -> Tensor:
    if tensor.is_meta:
        raise InputError(f"{what} has a shape but no numbers (device meta): load the weights before saving them")
    if tensor.is_quantized:
        raise InputError(f"{what} is quantised ({tensor.dtype}): give the floating-point weights that it was made of")
    if tensor.is_complex():
        raise InputError(f"{what} holds complex numbers ({tensor.dtype}) where weights are real: give another file")
    try:
        if tensor.layout != torch.strided:
            tensor = tensor.to_dense()
        return tensor.float() if tensor.is_floating_point() and tensor.itemsize == FLOAT8 else tensor
    except (RuntimeError, NotImplementedError):
        kind = f"{tensor.layout}, {tensor.dtype}".replace("torch.", "")
        raise InputError(f"{what} is stored in a way that is not read ({kind}): save it as dense float32") from None

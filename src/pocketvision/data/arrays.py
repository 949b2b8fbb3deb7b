"""Arrays and tensors that callers hold as images. PyTorch's tensors are recognised; PyTorch is not imported."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDED = 0.5 / 255
USUAL = {1, 3, 4}  # channels of an image


def is_tensor(value: object) -> bool:
    """Is it a tensor of PyTorch, or of a class derived from it?"""
    return any(kind.__module__ == "torch" and kind.__name__ == "Tensor" for kind in type(value).__mro__)


def as_array(image: Any, channels: int) -> NDArray[Any]:
    """An array as it is; a tensor, C x H x W (as PyTorch has it) or H x W x C, as H x W x C.

    Where both could be meant, the side with the network's own number of `channels` holds them, else the first.
    """
    if not is_tensor(image):
        return np.asarray(image)
    values = image.detach().cpu()
    array: NDArray[Any] = (values.float() if values.is_floating_point() else values).numpy()
    return array.transpose(1, 2, 0) if array.ndim == 3 and _channels_first(array.shape, channels) else array


def from_fractions(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Floats from 0 to 1 as pixels from 0 to 255. Raises ValueError for others: nobody said what they mean.

    What resizing and the like are off by is no other range: as much as is rounded away in any case.
    """
    if array.size and not (array.min() >= -ROUNDED and array.max() <= 1 + ROUNDED):  # NaN neither
        raise ValueError(
            f"its numbers go from {array.min():.3g} to {array.max():.3g}: give pixels as uint8, or as floats from 0 to "
            "1, not normalised"
        )
    return np.rint(array.clip(0, 1) * 255).astype(np.uint8)


def with_channels_first(array: NDArray[Any], channels: int) -> str:
    """What to add to a sentence about an H x W x C array whose first side looks like its channels; else nothing."""
    looks = array.ndim == 3 and array.shape[0] in {channels, *USUAL}
    return "; its first side looks like its channels: give array.transpose(1, 2, 0)" if looks else ""


def _channels_first(shape: tuple[int, ...], channels: int) -> bool:
    for wanted in ({channels}, USUAL):
        if shape[0] in wanted or shape[-1] in wanted:
            return shape[0] in wanted
    return True

"""How images were shown to a network while it was trained, apart from the size of its input."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from pocketvision.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD, SMALL, Preprocessing
from pocketvision.errors import InputError

Size = tuple[int, int]  # height, width in pixels


@dataclass(frozen=True)
class Looks:
    """Mean and std of values in 0..1, the share of the side that the crop keeps, and the rest of `Preprocessing`.

    `floors`: the size before the crop is rounded down (timm), not to the nearest number. `exact` is the size of the
    input that the source states, and that before the crop: then neither is computed.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    share: float = 0.875
    interpolation: str = "bilinear"
    crop_first: bool = False
    fit: str = "cover"
    crop_floor: bool = False
    floors: bool = False
    exact: tuple[Size, Size] | None = None

    def grey(self) -> Looks:
        """The same for grey images, which stand for all colours at once."""
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return replace(self, mean=(mean,), std=(std,))

    @property
    def side(self) -> int | Size | None:
        """The size of the input that the source states: one number where it is square."""
        if self.exact is None:
            return None
        height, width = self.exact[0]
        return height if height == width else (height, width)

    def before_crop(self, size: Size) -> Size:
        """Height and width before a crop at `size`; of an input smaller than was stated, small images whole."""
        if self.exact and self.exact[0] == size:
            return self.exact[1]
        share = self.share if max(size) > SMALL else 1.0
        whole = math.floor if self.floors else round
        return whole(size[0] / share), whole(size[1] / share)

    def at(self, size: Size) -> Preprocessing:
        """The preprocessing of images for an input of height x width px."""
        return Preprocessing(
            size, self.before_crop(size), len(self.mean), self.mean, self.std,
            self.interpolation, self.crop_first, self.fit, self.crop_floor,
        )  # fmt: skip


HALVES = Looks((0.5,) * 3, (0.5,) * 3)  # what TensorFlow's networks see: -1..1


def numbers(field: str, value: Any, positive: bool = False) -> tuple[float, ...]:
    """The number, or the list of them, that a config has in `field`.

    InputError names the field where one of them is not finite, or of those that are divided by not `positive`.
    """
    found = tuple(value) if isinstance(value, list | tuple) else (value,)
    real = all(isinstance(number, int | float) and not isinstance(number, bool) for number in found)
    if not real or not all(math.isfinite(number) and (number > 0 or not positive) for number in found):
        raise InputError(f"{field} is {value!r}: give finite numbers" + (" above zero" if positive else ""))
    return tuple(map(float, found))

"""Random views of a training image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import horizontal_flip, resize

Policy = Literal["basic", "trivial", "rand"]
RATIO = 4 / 3  # the most that a crop is wider than high, or higher than wide


@dataclass(frozen=True)
class Augmentation:
    """What is done at random to each training image, one at a time; what is done to whole batches is in `training`.

    `crop` bounds the share of the area that is shown. `policy` adds TrivialAugment (arXiv 2103.10158) or RandAugment
    (arXiv 1909.13719); `erase` is the probability of random erasing (arXiv 1708.04896).
    """

    crop: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    policy: Policy = "basic"
    erase: float = 0.0

    def build(self, size: tuple[int, int], channels: int) -> Callable[[Tensor], Tensor]:
        """uint8 C x h x w -> uint8 C x H x W of `size`. What speaks of colours is left out unless there are three."""
        views: list[Callable[[Tensor], Tensor]] = []
        if self.policy == "trivial" and channels in (1, 3):
            views.append(v2.TrivialAugmentWide())
        elif self.policy == "rand" and channels in (1, 3):
            views.append(v2.RandAugment())
        if self.erase:
            views.append(v2.RandomErasing(self.erase))

        def view(image: Tensor) -> Tensor:
            image = random_crop(image, size, self.crop, self.flip)
            for change in views:
                image = change(image)
            return image

        return view


def random_crop(image: Tensor, size: tuple[int, int], area: tuple[float, float], flip: bool) -> Tensor:
    """A random part of `image`, as Inception was trained (arXiv 1409.4842, section 6), perhaps mirrored.

    torchvision's RandomResizedCrop and RandomHorizontalFlip do the same; what they do around it takes longer on a small
    picture than the picture itself, and holds up the training of a small network.
    """
    height, width = image.shape[-2:]
    share, ratio, down, right, mirror = torch.rand(5).tolist()
    pixels = height * width * (area[0] + (area[1] - area[0]) * share)
    stretch = math.exp((2 * ratio - 1) * math.log(RATIO) / 2)
    h = min(height, max(1, round(math.sqrt(pixels) / stretch)))
    w = min(width, max(1, round(math.sqrt(pixels) * stretch)))
    top, left = int(down * (height - h + 1)), int(right * (width - w + 1))
    part = image[:, top : top + h, left : left + w]
    shown = resize(part, list(size), antialias=True)
    return horizontal_flip(shown) if flip and mirror < 0.5 else shown

"""Random views of a training image, by torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torchvision.transforms import v2

Policy = Literal["basic", "trivial", "rand"]


@dataclass(frozen=True)
class Augmentation:
    """What is done at random to each training image.

    `crop` bounds the share of the area that is shown, `color` the change of brightness, contrast and saturation.
    `policy` adds TrivialAugment (arXiv 2103.10158) or RandAugment (arXiv 1909.13719); `erase` is the probability of
    random erasing (arXiv 1708.04896).
    """

    crop: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    color: float = 0.2
    policy: Policy = "basic"
    erase: float = 0.0

    def build(self, size: tuple[int, int], channels: int) -> Callable[[Tensor], Tensor]:
        """uint8 C x h x w -> uint8 C x H x W of `size`. What speaks of colours is left out unless there are three."""
        views: list[v2.Transform] = [v2.RandomResizedCrop(size, scale=self.crop, antialias=True)]
        if self.flip:
            views.append(v2.RandomHorizontalFlip())
        if self.policy == "trivial" and channels in (1, 3):
            views.append(v2.TrivialAugmentWide())
        elif self.policy == "rand" and channels in (1, 3):
            views.append(v2.RandAugment())
        elif self.color and channels == 3:
            views.append(v2.ColorJitter(brightness=self.color, contrast=self.color, saturation=self.color))
        if self.erase:
            views.append(v2.RandomErasing(self.erase))
        return v2.Compose(views)

"""Random views of a training image, by torchvision's transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchvision.transforms import v2

from pocketvision.data.image import Preprocessing

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def augmentation(
    preprocessing: Preprocessing, crop: tuple[float, float], flip: bool, color: float
) -> Callable[[Tensor], Tensor]:
    """uint8 C x h x w -> uint8 C x H x W: a random part (`crop` of the area), maybe mirrored or in another light."""
    views: list[v2.Transform] = [v2.RandomResizedCrop(preprocessing.resolution, scale=crop, antialias=True)]
    if flip:
        views.append(v2.RandomHorizontalFlip())
    if color and preprocessing.channels == 3:
        views.append(v2.ColorJitter(brightness=color, contrast=color, saturation=color))
    return v2.Compose(views)

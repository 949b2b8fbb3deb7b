"""Batches of blended images: mixup (arXiv 1710.09412) and cutmix (arXiv 1905.04899), by torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torchvision.transforms import v2

from pocketvision.training.recipe import Recipe

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def mixing(recipe: Recipe, classes: int) -> Mix | None:
    """(N x C x H x W floats, N labels) -> the same with N x classes soft labels; None when the recipe blends nothing.

    When it names both, each batch is blended by one of the two, drawn at random.
    """
    blends: list[v2.Transform] = []
    if recipe.mixup:
        blends.append(v2.MixUp(alpha=recipe.mixup, num_classes=classes))
    if recipe.cutmix:
        blends.append(v2.CutMix(alpha=recipe.cutmix, num_classes=classes))
    return None if not blends else blends[0] if len(blends) == 1 else v2.RandomChoice(blends)

"""Random changes of brightness, contrast and saturation, of a whole batch at once.

Not image by image, as torchvision's ColorJitter: all three are linear in the pixels, so that a few operations on the
batch do what else are dozens of small ones for each image.
"""

from __future__ import annotations

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601: what a colour's parts add to its brightness


def jitter_colors(images: Tensor, strength: float) -> Tensor:
    """N x 3 x H x W floats of 0..255 -> the same; each image with factors of its own from 1 - to 1 + `strength`.

    Brightness multiplies, contrast moves colours away from the image's mean grey, saturation away from their own grey.
    """
    factors = 1 + strength * (2 * torch.rand(3, len(images), 1, 1, 1) - 1)
    brightness, contrast, saturation = factors.to(images.device)
    grey = (images * torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    middle = (1 - contrast) * brightness * grey.mean((2, 3), keepdim=True)
    own = contrast * brightness
    return (own * saturation * images + own * (1 - saturation) * grey + middle).clamp(0, 255)

"""Channel shuffle (ShuffleNet, arXiv 1707.01083, figure 1): reshape, transpose, flatten."""

from __future__ import annotations

from torch import Tensor


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """N x C x H x W -> the same shape; channel i of each group goes beside channel i of the other groups.

    Height and width are one axis on the way: four axes at most, which every engine and converter can transpose.
    """
    n, channels, height, width = x.shape
    apart = x.reshape(n, groups, channels // groups, height * width)
    return apart.transpose(1, 2).reshape(n, channels, height, width)

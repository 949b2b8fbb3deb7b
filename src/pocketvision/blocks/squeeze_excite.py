"""Squeeze-and-excitation (arXiv 1709.01507), gated as in MobileNetV3: pool, 1x1, ReLU, 1x1, hard sigmoid, scale."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SqueezeExcite(nn.Module):
    """N x channels x H x W -> the same shape, every channel scaled by a gate in 0..1 read from the whole map."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeeze, 1)
        self.restore = nn.Conv2d(squeeze, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.restore(F.relu(self.reduce(self.pool(x)))))

"""Convolution with bias and without BatchNorm, as networks before BatchNorm have it (SqueezeNet)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, activation
from pocketvision.spec import Conventions, make_divisible


class ConvBias(nn.Module):
    """N x cin x H x W -> N x out x H' x W' with H' = (H + 2 padding - kernel) // stride + 1."""

    def __init__(
        self, cin: int, out: int, kernel: int = 3, stride: int = 1, padding: int = 0, act: Activation = "relu"
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, out, kernel, stride, padding)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.conv(x))
        return y


@dataclass(frozen=True)
class Plain:
    """A full convolution with bias."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1
    padding: int = 0

    def build(self, cin: int, conventions: Conventions) -> ConvBias:
        return ConvBias(cin, self.out, self.kernel, self.stride, self.padding, self.act)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Plain:
        return replace(self, out=make_divisible(self.out * width))

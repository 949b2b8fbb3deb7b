"""Depthwise separable convolution (MobileNetV1, arXiv 1704.04861, figure 3).

k x k x cin x out multiply-adds per position become k x k x cin (one filter per channel) plus cin x out (1x1):
1/out + 1/k^2 of the cost. BatchNorm and ReLU follow each of the two; only the depthwise part strides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation
from pocketvision.blocks.conv import ConvBN
from pocketvision.spec import Conventions, make_divisible


class SeparableConv(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride)."""

    def __init__(
        self,
        cin: int,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        act: Activation = "relu",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        self.depthwise = ConvBN(cin, cin, kernel, stride, groups=cin, act=act, conventions=conventions)
        self.pointwise = ConvBN(cin, out, 1, act=act, conventions=conventions)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


@dataclass(frozen=True)
class Separable:
    """One "Conv dw / Conv 1x1" pair of MobileNetV1's table 1."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1

    def build(self, cin: int, conventions: Conventions) -> SeparableConv:
        return SeparableConv(cin, self.out, self.kernel, self.stride, self.act, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Separable:
        return replace(self, out=make_divisible(self.out * width))

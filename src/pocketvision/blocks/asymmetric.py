"""A k x k convolution as 1 x k after k x 1 (arXiv 1512.00567, section 3.2; 1608.04337): 2 / k of the cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation
from pocketvision.blocks.conv import ConvBN, conv2d
from pocketvision.spec import Conventions, make_divisible


class AsymmetricConv(nn.Module):
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
        self.down = conv2d(cin, out, (kernel, 1), (stride, 1), conventions=conventions)
        self.across = ConvBN(out, out, (1, kernel), (1, stride), act=act, conventions=conventions)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.across(self.down(x))
        return y


@dataclass(frozen=True)
class Asymmetric:
    """A convolution of any table, factorised into two one-dimensional ones."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1

    def build(self, cin: int, conventions: Conventions) -> AsymmetricConv:
        return AsymmetricConv(cin, self.out, self.kernel, self.stride, self.act, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Asymmetric:
        return replace(self, out=make_divisible(self.out * width))

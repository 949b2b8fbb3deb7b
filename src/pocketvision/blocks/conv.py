"""Convolution, BatchNorm, activation: the unit that every other block is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, activation
from pocketvision.spec import Conventions, make_divisible


class ConvBN(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride)."""

    def __init__(
        self,
        cin: int,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        act: Activation = "relu",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, out, kernel, stride, padding=(kernel - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=conventions.bn_eps, momentum=conventions.bn_momentum)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


@dataclass(frozen=True)
class Conv:
    """A full convolution (1x1 and up)."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1

    def build(self, cin: int, conventions: Conventions) -> ConvBN:
        return ConvBN(cin, self.out, self.kernel, self.stride, act=self.act, conventions=conventions)

    def scaled(self, width: float) -> Conv:
        return replace(self, out=make_divisible(self.out * width))

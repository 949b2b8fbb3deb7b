"""Flattened convolution (arXiv 1412.5474, figure 2): a pipeline of three one-dimensional filters per output channel.

Across the channels first, then down, then across the picture: k x k x cin weights per filter become cin + k + k.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, activation
from pocketvision.blocks.conv import batch_norm, conv2d
from pocketvision.spec import Conventions, make_divisible


class FlattenedConv(nn.Module):
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
        self.lateral = conv2d(cin, out, 1, conventions=conventions)
        self.vertical = conv2d(out, out, (kernel, 1), (stride, 1), groups=out, conventions=conventions)
        self.horizontal = conv2d(out, out, (1, kernel), (1, stride), groups=out, conventions=conventions)
        self.bn = batch_norm(out, conventions)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.horizontal(self.vertical(self.lateral(x)))))
        return y


@dataclass(frozen=True)
class Flattened:
    """A convolution of any table, flattened."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1

    def build(self, cin: int, conventions: Conventions) -> FlattenedConv:
        return FlattenedConv(cin, self.out, self.kernel, self.stride, self.act, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Flattened:
        return replace(self, out=make_divisible(self.out * width))

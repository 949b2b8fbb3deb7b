"""Xception's blocks (arXiv 1610.02357, figure 5): depthwise separable convolutions around a shortcut.

Nothing stands between a depthwise convolution and its 1x1: section 4.7 found activations there to hurt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import ACTIVATIONS, Activation, activation
from pocketvision.blocks.conv import ConvBN, batch_norm, conv2d
from pocketvision.spec import Conventions, make_divisible


class BareSeparable(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride): depthwise, 1x1, BatchNorm, activation."""

    def __init__(
        self,
        cin: int,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        act: Activation = "linear",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        self.depthwise = conv2d(cin, cin, kernel, stride, groups=cin, conventions=conventions)
        self.pointwise = conv2d(cin, out, 1, conventions=conventions)
        self.bn = batch_norm(out, conventions)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.bn(self.pointwise(self.depthwise(x))))
        return y


class XceptionBlock(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride).

    Each of `widths` is a separable convolution, with an activation before it (but before the first only with
    `activate`). With a stride, max pooling ends the block. The shortcut is a 1x1 convolution where the shape changes.
    """

    def __init__(
        self,
        cin: int,
        widths: tuple[int, ...],
        stride: int = 1,
        activate: bool = True,
        act: Activation = "relu",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        out = widths[-1]
        same = stride == 1 and cin == out
        self.shortcut = nn.Identity() if same else ConvBN(cin, out, 1, stride, act="linear", conventions=conventions)
        self.act = ACTIVATIONS[act]() if activate else nn.Identity()  # not in place: the shortcut reads the same input
        self.layers = nn.Sequential()
        for i, width in enumerate(widths):
            last = i == len(widths) - 1
            self.layers.append(BareSeparable(cin, width, act="linear" if last else act, conventions=conventions))
            cin = width
        self.pool = nn.MaxPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(self.layers(self.act(x))) + self.shortcut(x)
        return y


@dataclass(frozen=True)
class Xblock:
    """A block of Xception's entry, middle or exit flow; one width for each separable convolution in it."""

    widths: tuple[int, ...]
    act: Activation
    stride: int = 1
    activate: bool = True

    @property
    def out(self) -> int:
        return self.widths[-1]

    def build(self, cin: int, conventions: Conventions) -> XceptionBlock:
        return XceptionBlock(cin, self.widths, self.stride, self.activate, self.act, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Xblock:
        return replace(self, widths=tuple(make_divisible(channels * width) for channels in self.widths))


@dataclass(frozen=True)
class Sepconv:
    """A "SeparableConv" line of Xception's exit flow."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1

    def build(self, cin: int, conventions: Conventions) -> BareSeparable:
        return BareSeparable(cin, self.out, self.kernel, self.stride, self.act, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Sepconv:
        return replace(self, out=make_divisible(self.out * width))

"""ResNet's bottleneck (arXiv 1512.03385, figure 5): wide -> narrow -> wide, an hourglass where V2's is a spindle."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, Gate, activation
from pocketvision.blocks.conv import ConvBN
from pocketvision.blocks.separable import SeparableConv
from pocketvision.blocks.squeeze_excite import SqueezeExcite
from pocketvision.spec import Conventions, make_divisible


class HourglassBlock(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride).

    `squeeze` adds squeeze-and-excite before the sum (SENet, figure 3). `separable` makes the 3x3 convolution depthwise
    separable. `early` strides in the first 1x1, as the Caffe networks do, else in the 3x3.
    """

    def __init__(
        self,
        cin: int,
        narrow: int,
        out: int,
        stride: int = 1,
        act: Activation = "relu",
        squeeze: int = 0,
        gate: Gate = "sigmoid",
        separable: bool = False,
        early: bool = False,
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if early else (1, stride)
        middle = SeparableConv if separable else ConvBN
        self.reduce = ConvBN(cin, narrow, 1, first, act=act, conventions=conventions)
        self.middle = middle(narrow, narrow, 3, second, act=act, conventions=conventions)
        self.expand = ConvBN(narrow, out, 1, act="linear", conventions=conventions)
        self.squeeze = SqueezeExcite(out, squeeze, gate) if squeeze else nn.Identity()
        same = stride == 1 and cin == out
        self.shortcut = nn.Identity() if same else ConvBN(cin, out, 1, stride, act="linear", conventions=conventions)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(self.expand(self.middle(self.reduce(x))))
        summed: Tensor = self.act(y + self.shortcut(x))
        return summed


@dataclass(frozen=True)
class Bottleneck:
    """One block of ResNet's table 1."""

    narrow: int
    out: int
    act: Activation
    stride: int = 1
    squeeze: int = 0
    gate: Gate = "sigmoid"
    separable: bool = False
    early: bool = False

    def build(self, cin: int, conventions: Conventions) -> HourglassBlock:
        return HourglassBlock(
            cin, self.narrow, self.out, self.stride, self.act, self.squeeze, self.gate,
            self.separable, self.early, conventions,
        )  # fmt: skip

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Bottleneck:
        squeeze = make_divisible(self.squeeze * width) if self.squeeze else 0
        return replace(
            self, narrow=make_divisible(self.narrow * width), out=make_divisible(self.out * width), squeeze=squeeze
        )

"""Inverted residual with linear bottleneck (MobileNetV2, arXiv 1801.04381, figure 3d), with V3's squeeze-and-excite.

Narrow -> wide -> narrow: 1x1 expansion, depthwise convolution on the wide side, 1x1 projection without activation.
The shortcut joins the narrow ends, where there are as many channels and no stride.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, Gate
from pocketvision.blocks.conv import ConvBN
from pocketvision.blocks.squeeze_excite import SqueezeExcite
from pocketvision.spec import Conventions, make_divisible


class InvertedResidual(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride).

    `expand` is the number of wide channels (equal to cin: no expansion layer); `squeeze` the bottleneck of
    squeeze-and-excite (0: none).
    """

    def __init__(
        self,
        cin: int,
        expand: int,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        squeeze: int = 0,
        act: Activation = "relu6",
        gate: Gate = "hsigmoid",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        self.shortcut = stride == 1 and cin == out
        self.expand = ConvBN(cin, expand, 1, act=act, conventions=conventions) if expand != cin else nn.Identity()
        self.depthwise = ConvBN(expand, expand, kernel, stride, groups=expand, act=act, conventions=conventions)
        self.squeeze = SqueezeExcite(expand, squeeze, gate) if squeeze else nn.Identity()
        self.project = ConvBN(expand, out, 1, act="linear", conventions=conventions)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.squeeze(self.depthwise(self.expand(x))))
        return x + y if self.shortcut else y


@dataclass(frozen=True)
class Bneck:
    """One "bottleneck" line of V2's table 2, or "bneck" line of V3's tables 1 and 2."""

    kernel: int
    expand: int
    out: int
    squeeze: int
    act: Activation
    stride: int = 1
    gate: Gate = "hsigmoid"

    def build(self, cin: int, conventions: Conventions) -> InvertedResidual:
        return InvertedResidual(
            cin, self.expand, self.out, self.kernel, self.stride, self.squeeze, self.act, self.gate, conventions
        )

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Bneck:
        """Width multiplier as the authors' code has it: the ratio of wide to narrow channels stays."""
        expand = make_divisible(scaled_cin * self.expand / cin)
        squeeze = make_divisible(expand / 4) if self.squeeze else 0
        return replace(self, expand=expand, squeeze=squeeze, out=make_divisible(self.out * width))

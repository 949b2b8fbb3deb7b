"""ResNet's bottleneck with and without its element-wise operations: the unit of ShuffleNetV2's fourth experiment.

1x1, 3x3, 1x1, all on the same number of channels: the paper's table has one number c, and does not say more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional as F

from pocketvision.blocks import ConvBN
from pocketvision.blocks.activations import Activation
from pocketvision.spec import Conventions


class ElementwiseUnit(nn.Module):
    """N x channels x H x W -> the same shape. With `relu` after each convolution (the last: after the sum)."""

    def __init__(self, channels: int, relu: bool, shortcut: bool, conventions: Conventions = Conventions()) -> None:
        super().__init__()
        self.relu, self.shortcut = relu, shortcut
        act: Activation = "relu" if relu else "linear"
        self.reduce = ConvBN(channels, channels, 1, act=act, conventions=conventions)
        self.middle = ConvBN(channels, channels, 3, act=act, conventions=conventions)
        self.expand = ConvBN(channels, channels, 1, act="linear", conventions=conventions)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.expand(self.middle(self.reduce(x)))
        y = y + x if self.shortcut else y
        return F.relu(y) if self.relu else y


@dataclass(frozen=True)
class Unit:
    """One unit on `out` channels, which must be those that come in."""

    out: int
    relu: bool
    shortcut: bool

    @property
    def stride(self) -> int:
        return 1

    def build(self, cin: int, conventions: Conventions) -> ElementwiseUnit:
        return ElementwiseUnit(cin, self.relu, self.shortcut, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Unit:
        return replace(self, out=scaled_cin)

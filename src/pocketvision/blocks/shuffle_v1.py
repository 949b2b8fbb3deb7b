"""ShuffleNet unit (arXiv 1707.01083, figure 2): grouped 1x1, shuffle, depthwise 3x3, grouped 1x1."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, activation
from pocketvision.blocks.conv import ConvBN
from pocketvision.blocks.shuffle import channel_shuffle
from pocketvision.spec import Conventions, make_divisible


class ShuffleUnit(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride).

    With stride 1 the input is added (figure 2b), with 2 its 3x3 average pooling is concatenated (2c). `first` are the
    groups of the first convolution: 1 where the input has too few channels (section 3.2).
    """

    def __init__(
        self,
        cin: int,
        out: int,
        groups: int,
        stride: int = 1,
        first: int | None = None,
        act: Activation = "relu",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        self.groups, self.stride = groups, stride
        middle = out // 4
        branch = out - cin if stride == 2 else out
        self.reduce = ConvBN(cin, middle, 1, groups=first or groups, act=act, conventions=conventions)
        self.depthwise = ConvBN(middle, middle, 3, stride, groups=middle, act="linear", conventions=conventions)
        self.expand = ConvBN(middle, branch, 1, groups=groups, act="linear", conventions=conventions)
        self.pool = nn.AvgPool2d(3, 2, padding=1) if stride == 2 else nn.Identity()
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(self.depthwise(channel_shuffle(self.reduce(x), self.groups)))
        joined: Tensor = self.act(torch.cat([y, self.pool(x)], 1) if self.stride == 2 else y + x)
        return joined


@dataclass(frozen=True)
class ShuffleV1:
    """One unit of ShuffleNet's table 1."""

    out: int
    groups: int
    act: Activation
    stride: int = 1
    first: int | None = None

    def build(self, cin: int, conventions: Conventions) -> ShuffleUnit:
        return ShuffleUnit(cin, self.out, self.groups, self.stride, self.first, self.act, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> ShuffleV1:
        """The bottleneck, a quarter, must still be divided by the groups."""
        return replace(self, out=make_divisible(self.out * width, 4 * self.groups))

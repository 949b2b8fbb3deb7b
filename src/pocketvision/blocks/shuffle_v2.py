"""ShuffleNetV2 unit (arXiv 1807.11164, figure 3): channel split, one branch of equal widths, concatenation, shuffle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pocketvision.blocks.activations import Activation, Gate
from pocketvision.blocks.conv import ConvBN
from pocketvision.blocks.shuffle import channel_shuffle
from pocketvision.blocks.squeeze_excite import SqueezeExcite
from pocketvision.spec import Conventions, make_divisible


class SplitUnit(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride).

    With stride 1 half of the channels pass untouched (figure 3c); with stride 2 both branches see all of them (3d).
    `squeeze` adds squeeze-and-excite at the end of the branch, `residual` a shortcut around it (the paper's appendix).
    """

    def __init__(
        self,
        cin: int,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        act: Activation = "relu",
        squeeze: int = 0,
        gate: Gate = "sigmoid",
        residual: bool = False,
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        half = out // 2
        self.passing, self.stride, self.residual = half, stride, residual and stride == 1
        self.side = nn.Sequential()  # empty: the left half passes untouched
        if stride == 2:
            self.side.append(ConvBN(cin, cin, kernel, stride, groups=cin, act="linear", conventions=conventions))
            self.side.append(ConvBN(cin, half, 1, act=act, conventions=conventions))
        self.expand = ConvBN(cin if stride == 2 else half, half, 1, act=act, conventions=conventions)
        self.depthwise = ConvBN(half, half, kernel, stride, groups=half, act="linear", conventions=conventions)
        self.project = ConvBN(half, half, 1, act=act, conventions=conventions)
        self.squeeze = SqueezeExcite(half, squeeze, gate) if squeeze else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        left, right = (x, x) if self.stride == 2 else (x[:, : self.passing], x[:, self.passing :])
        y = self.squeeze(self.project(self.depthwise(self.expand(right))))
        if self.residual:
            y = y + right
        return channel_shuffle(torch.cat([self.side(left), y], 1), 2)


@dataclass(frozen=True)
class ShuffleV2:
    """One unit of ShuffleNetV2's table 5."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1
    squeeze: int = 0
    gate: Gate = "sigmoid"
    residual: bool = False

    def build(self, cin: int, conventions: Conventions) -> SplitUnit:
        return SplitUnit(
            cin, self.out, self.kernel, self.stride, self.act, self.squeeze, self.gate, self.residual, conventions
        )

    def scaled(self, width: float, cin: int, scaled_cin: int) -> ShuffleV2:
        return self.with_out(make_divisible(self.out * width, 4))

    def with_out(self, out: int) -> ShuffleV2:
        squeeze = max(1, self.squeeze * out // self.out) if self.squeeze else 0
        return replace(self, out=out, squeeze=squeeze)

"""A 1x1 convolution in groups, alone: the row of ShuffleNetV2's second experiment. No shuffle follows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pocketvision.blocks import ConvBN
from pocketvision.spec import Conventions, make_divisible


@dataclass(frozen=True)
class Grouped:
    """N x cin x H x W -> N x out x H x W, each of `groups` parts of the output seeing one part of the input."""

    out: int
    groups: int

    @property
    def stride(self) -> int:
        return 1

    def build(self, cin: int, conventions: Conventions) -> ConvBN:
        return ConvBN(cin, self.out, 1, groups=self.groups, act="linear", conventions=conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Grouped:
        return replace(self, out=make_divisible(self.out * width, self.groups))

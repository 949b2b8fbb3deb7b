"""Fire module (SqueezeNet, arXiv 1602.07360, figure 1): a 1x1 squeeze, then 1x1 and 3x3 expansions side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pocketvision.blocks.activations import Activation
from pocketvision.blocks.plain import ConvBias
from pocketvision.spec import Conventions, make_divisible

Bypass = Literal["none", "simple", "complex"]


class FireModule(nn.Module):
    """N x cin x H x W -> N x (one + three) x H x W.

    `bypass` (section 6): "simple" adds the input where it has as many channels as the output; "complex" adds a 1x1
    convolution of it where it has not.
    """

    def __init__(
        self, cin: int, squeeze: int, one: int, three: int, act: Activation = "relu", bypass: Bypass = "none"
    ) -> None:
        super().__init__()
        self.squeeze = ConvBias(cin, squeeze, 1, act=act)
        self.expand1x1 = ConvBias(squeeze, one, 1, act=act)
        self.expand3x3 = ConvBias(squeeze, three, 3, padding=1, act=act)
        same = cin == one + three
        self.shortcut = bypass != "none" and same
        self.bypass = nn.Conv2d(cin, one + three, 1) if bypass == "complex" and not same else None

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.squeeze(x)
        y = torch.cat([self.expand1x1(narrow), self.expand3x3(narrow)], 1)
        if self.bypass is not None:
            return y + self.bypass(x)
        return y + x if self.shortcut else y


@dataclass(frozen=True)
class Fire:
    """A "fire" line of SqueezeNet's table 1: s1x1, e1x1, e3x3."""

    squeeze: int
    one: int
    three: int
    act: Activation = "relu"
    bypass: Bypass = "none"

    @property
    def out(self) -> int:
        return self.one + self.three

    @property
    def stride(self) -> int:
        return 1

    def build(self, cin: int, conventions: Conventions) -> FireModule:
        return FireModule(cin, self.squeeze, self.one, self.three, self.act, self.bypass)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Fire:
        """Both expansions together follow the rule of every other row, so that poolings around stay equal to them."""
        out = make_divisible(self.out * width)
        return replace(self, squeeze=make_divisible(self.squeeze * width), one=out // 2, three=out - out // 2)

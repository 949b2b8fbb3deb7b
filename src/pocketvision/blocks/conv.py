"""Convolution, BatchNorm, activation: the unit that every other block is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
        if self.training and not self.bn.training:
            return self.act(self._folded(x))
        return self.act(self.bn(self.conv(x)))

    def _folded(self, x: Tensor) -> Tensor:
        """Convolution and frozen BatchNorm as one convolution: the same function and gradients, one pass less.

        In training alone: exporters and runtimes fold by themselves, and what is compared stays as the paper has it.
        """
        conv, bn = self.conv, self.bn
        assert bn.running_mean is not None and bn.running_var is not None
        scale = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
        bias = bn.bias - bn.running_mean * scale
        weight = conv.weight * scale.view(-1, 1, 1, 1)
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


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

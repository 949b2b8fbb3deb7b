"""Convolution, BatchNorm, activation: the unit that every other block is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pocketvision.blocks.activations import Activation, activation
from pocketvision.spec import Conventions, make_divisible

Kernel = int | tuple[int, int]  # a side, or height and width


class SameConv2d(nn.Conv2d):
    """TensorFlow's "SAME" padding with a stride: what is odd goes right and below, and depends on the input's size."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        pads: list[int] = []
        for axis in (3, 2):  # F.pad begins with the last axis
            side, kernel, stride = input.shape[axis], self.kernel_size[axis - 2], self.stride[axis - 2]
            missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [missing // 2, missing - missing // 2]
        return F.conv2d(F.pad(input, pads), weight, bias, self.stride, 0, self.dilation, self.groups)


def conv2d(
    cin: int,
    out: int,
    kernel: Kernel = 3,
    stride: Kernel = 1,
    groups: int = 1,
    bias: bool = False,
    conventions: Conventions = Conventions(),
) -> nn.Conv2d:
    """A convolution that keeps height and width but for its stride: ceil(side / stride)."""
    height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = ((height - 1) // 2, (width - 1) // 2)
    if conventions.padding == "tf_same" and stride not in (1, (1, 1)):
        return SameConv2d(cin, out, (height, width), stride, groups=groups, bias=bias)
    return nn.Conv2d(cin, out, (height, width), stride, padding, groups=groups, bias=bias)


def batch_norm(channels: int, conventions: Conventions = Conventions()) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=conventions.bn_eps, momentum=conventions.bn_momentum)


class ConvBN(nn.Module):
    """N x cin x H x W -> N x out x ceil(H / stride) x ceil(W / stride)."""

    def __init__(
        self,
        cin: int,
        out: int,
        kernel: Kernel = 3,
        stride: Kernel = 1,
        groups: int = 1,
        act: Activation = "relu",
        conventions: Conventions = Conventions(),
    ) -> None:
        super().__init__()
        self.conv = conv2d(cin, out, kernel, stride, groups, conventions=conventions)
        self.bn = batch_norm(out, conventions)
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
        return conv._conv_forward(x, conv.weight * scale.view(-1, 1, 1, 1), bias)


@dataclass(frozen=True)
class Conv:
    """A full convolution (1x1 and up)."""

    kernel: int
    out: int
    act: Activation
    stride: int = 1

    def build(self, cin: int, conventions: Conventions) -> ConvBN:
        return ConvBN(cin, self.out, self.kernel, self.stride, act=self.act, conventions=conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Conv:
        return replace(self, out=make_divisible(self.out * width))


@dataclass(frozen=True)
class Valid(Conv):
    """A full convolution without padding (TensorFlow's "VALID"): its output is smaller by kernel - 1."""

    def build(self, cin: int, conventions: Conventions) -> ConvBN:
        module = ConvBN(
            cin, self.out, self.kernel, self.stride, act=self.act, conventions=replace(conventions, padding="torch")
        )
        module.conv.padding = (0, 0)
        return module

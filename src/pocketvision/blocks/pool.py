"""Max pooling as a line of the table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from pocketvision.errors import InputError
from pocketvision.spec import Conventions
from pocketvision.units import counted


@dataclass(frozen=True)
class MaxPool:
    """`out` are the channels that pass through. `ceil`: a last window may hang over the edge, as in Caffe."""

    kernel: int
    out: int
    stride: int = 2
    padding: int = 1
    ceil: bool = False

    def build(self, cin: int, conventions: Conventions) -> nn.MaxPool2d:
        if cin != self.out:
            raise InputError(
                f"a row MaxPool of {counted(self.out, 'channel')} follows one with {cin}: give both the same number"
            )
        return nn.MaxPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.ceil)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> MaxPool:
        return replace(self, out=scaled_cin)

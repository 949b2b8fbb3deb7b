"""Squeeze-and-excitation (arXiv 1709.01507): pool, 1x1, ReLU, 1x1, gate, scale the channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.nn import functional as F

from pocketvision.blocks.activations import Gate, gate
from pocketvision.spec import Conventions, make_divisible


class SqueezeExcite(nn.Module):
    """N x channels x H x W -> the same shape, every channel scaled by a gate that is read from the whole map."""

    def __init__(self, channels: int, squeeze: int, gate_name: Gate = "hsigmoid") -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeeze, 1)
        self.restore = nn.Conv2d(squeeze, channels, 1)
        self.gate = gate(gate_name)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.restore(F.relu(self.reduce(self.pool(x)))))


@dataclass(frozen=True)
class Excite:
    """Squeeze-and-excite as a line of its own, behind blocks that have no place for it inside."""

    out: int
    squeeze: int
    gate: Gate = "sigmoid"

    @property
    def stride(self) -> int:
        return 1

    def build(self, cin: int, conventions: Conventions) -> SqueezeExcite:
        return SqueezeExcite(cin, self.squeeze, self.gate)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Excite:
        return replace(self, out=scaled_cin, squeeze=make_divisible(self.squeeze * width))

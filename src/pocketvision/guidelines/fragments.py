"""One 1x1 convolution, or several small ones for it: the block of ShuffleNetV2's third experiment (appendix, figure 1).

The paper's text does not say how parallel fragments join. Here they are added, which keeps the number of channels and
makes n fragments of c / sqrt(n) channels cost as many multiply-adds as one of c, in series and in parallel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pocketvision.blocks import ConvBN
from pocketvision.spec import Conventions


class FragmentsBlock(nn.Module):
    """N x channels x H x W -> the same shape, through `number` 1x1 convolutions in a row or side by side."""

    def __init__(self, channels: int, number: int, parallel: bool, conventions: Conventions = Conventions()) -> None:
        super().__init__()
        self.parallel = parallel
        made = (ConvBN(channels, channels, 1, act="linear", conventions=conventions) for _ in range(number))
        self.fragments = nn.ModuleList(made)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.fragments
        y: Tensor = first(x)
        for fragment in others:
            y = y + fragment(x) if self.parallel else fragment(y)
        return y


@dataclass(frozen=True)
class Fragments:
    """A block of `number` fragments on `out` channels, which must be those that come in."""

    out: int
    number: int = 1
    parallel: bool = False

    @property
    def stride(self) -> int:
        return 1

    def build(self, cin: int, conventions: Conventions) -> FragmentsBlock:
        return FragmentsBlock(cin, self.number, self.parallel, conventions)

    def scaled(self, width: float, cin: int, scaled_cin: int) -> Fragments:
        return replace(self, out=scaled_cin)

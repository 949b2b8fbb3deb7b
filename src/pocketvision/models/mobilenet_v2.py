"""MobileNetV2 (arXiv 1801.04381, table 2): inverted residuals with linear bottlenecks, expansion 6."""

from __future__ import annotations

from pocketvision import spec
from pocketvision.blocks import Bneck, Conv
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions, Rows

# fmt: off
TRUNK = (
    #    k  exp   out se act      s     input 224
    Conv(3,        32,   "relu6", 2),
    Bneck(3,  32,  16, 0, "relu6", 1),  # 112
    Bneck(3,  96,  24, 0, "relu6", 2),
    Bneck(3, 144,  24, 0, "relu6", 1),  # 56
    Bneck(3, 144,  32, 0, "relu6", 2),
    Bneck(3, 192,  32, 0, "relu6", 1),  # 28
    Bneck(3, 192,  32, 0, "relu6", 1),
    Bneck(3, 192,  64, 0, "relu6", 2),
    Bneck(3, 384,  64, 0, "relu6", 1),  # 14
    Bneck(3, 384,  64, 0, "relu6", 1),
    Bneck(3, 384,  64, 0, "relu6", 1),
    Bneck(3, 384,  96, 0, "relu6", 1),
    Bneck(3, 576,  96, 0, "relu6", 1),
    Bneck(3, 576,  96, 0, "relu6", 1),
    Bneck(3, 576, 160, 0, "relu6", 2),
    Bneck(3, 960, 160, 0, "relu6", 1),  # 7
    Bneck(3, 960, 160, 0, "relu6", 1),
    Bneck(3, 960, 320, 0, "relu6", 1),
    Conv(1,      1280,   "relu6", 1),
)
# fmt: on

HEAD = Classifier(1000, dropout=0.2)
CONVENTIONS = Conventions()


def widen(rows: Rows, width: float) -> Rows:
    """Width multiplier; below 1 the last convolution keeps its 1280 channels (section 6.1)."""
    *scaled, _ = spec.widen(rows, width)
    return (*scaled, rows[-1].scaled(max(1.0, width), rows[-2].out, scaled[-1].out))

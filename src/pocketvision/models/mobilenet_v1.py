"""MobileNetV1 (arXiv 1704.04861, table 1): a straight stack of 13 depthwise separable convolutions."""

from __future__ import annotations

from pocketvision.blocks import Conv, Separable
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions, Rows

# fmt: off
TRUNK = (
    #         k  out   act     s     input 224
    Conv(     3,   32, "relu", 2),
    Separable(3,   64, "relu", 1),  # 112
    Separable(3,  128, "relu", 2),
    Separable(3,  128, "relu", 1),  # 56
    Separable(3,  256, "relu", 2),
    Separable(3,  256, "relu", 1),  # 28
    Separable(3,  512, "relu", 2),
    Separable(3,  512, "relu", 1),  # 14
    Separable(3,  512, "relu", 1),
    Separable(3,  512, "relu", 1),
    Separable(3,  512, "relu", 1),
    Separable(3,  512, "relu", 1),
    Separable(3, 1024, "relu", 2),
    Separable(3, 1024, "relu", 1),  # 7
)
# fmt: on

HEAD = Classifier(1000, dropout=0.001)  # "very little dropout": the authors' code keeps 0.999
CONVENTIONS = Conventions(bn_eps=1e-3)


def widen(rows: Rows, width: float) -> Rows:
    """The paper's width multiplier (alpha): every layer thinner by the same factor."""
    return tuple(row.scaled(width) for row in rows if isinstance(row, Conv | Separable))

"""MobileNetV1 (arXiv 1704.04861, table 1): a straight stack of 13 depthwise separable convolutions.

With the two networks that the paper holds against it: the same with full convolutions (table 4), and a shallow one
without the five layers of 14 x 14 x 512 (table 5).
"""

from __future__ import annotations

from pocketvision.blocks import Conv, Separable
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions

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

FULL = (TRUNK[0], *(Conv(row.kernel, row.out, row.act, row.stride) for row in TRUNK[1:]))
SHALLOW = (*TRUNK[:7], *TRUNK[12:])

HEAD = Classifier(1000, dropout=0.001)  # "very little dropout": the authors' code keeps 0.999
CONVENTIONS = Conventions(bn_eps=1e-3)

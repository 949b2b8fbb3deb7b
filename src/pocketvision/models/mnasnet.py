"""MnasNet (arXiv 1807.11626): A1 with light attention (figure 7), B1 without, and Small.

Sources beside the paper: tensorflow/tpu models/official/mnasnet for B1, Small and the place of squeeze-and-excite.
"""

from __future__ import annotations

from dataclasses import replace

from pocketvision import spec
from pocketvision.blocks import Bneck, Conv
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions, Rows

# fmt: off
A1 = (
    #     k  exp  out  se act     s  gate         input 224
    Conv( 3,       32,    "relu", 2),
    Bneck(3,  32,  16,  0, "relu", 1),            # 112
    Bneck(3,  96,  24,  0, "relu", 2),
    Bneck(3, 144,  24,  0, "relu", 1),            # 56
    Bneck(5,  72,  40,  6, "relu", 2, "sigmoid"),
    Bneck(5, 120,  40, 10, "relu", 1, "sigmoid"),  # 28
    Bneck(5, 120,  40, 10, "relu", 1, "sigmoid"),
    Bneck(3, 240,  80,  0, "relu", 2),
    Bneck(3, 480,  80,  0, "relu", 1),            # 14
    Bneck(3, 480,  80,  0, "relu", 1),
    Bneck(3, 480,  80,  0, "relu", 1),
    Bneck(3, 480, 112, 20, "relu", 1, "sigmoid"),
    Bneck(3, 672, 112, 28, "relu", 1, "sigmoid"),
    Bneck(5, 672, 160, 28, "relu", 2, "sigmoid"),
    Bneck(5, 960, 160, 40, "relu", 1, "sigmoid"),  # 7
    Bneck(5, 960, 160, 40, "relu", 1, "sigmoid"),
    Bneck(3, 960, 320,  0, "relu", 1),
    Conv( 1,      1280,    "relu", 1),
)

B1 = (
    #     k   exp  out se act     s     input 224
    Conv( 3,        32,   "relu", 2),
    Bneck(3,   32,  16, 0, "relu", 1),  # 112
    Bneck(3,   48,  24, 0, "relu", 2),
    Bneck(3,   72,  24, 0, "relu", 1),  # 56
    Bneck(3,   72,  24, 0, "relu", 1),
    Bneck(5,   72,  40, 0, "relu", 2),
    Bneck(5,  120,  40, 0, "relu", 1),  # 28
    Bneck(5,  120,  40, 0, "relu", 1),
    Bneck(5,  240,  80, 0, "relu", 2),
    Bneck(5,  480,  80, 0, "relu", 1),  # 14
    Bneck(5,  480,  80, 0, "relu", 1),
    Bneck(3,  480,  96, 0, "relu", 1),
    Bneck(3,  576,  96, 0, "relu", 1),
    Bneck(5,  576, 192, 0, "relu", 2),
    Bneck(5, 1152, 192, 0, "relu", 1),  # 7
    Bneck(5, 1152, 192, 0, "relu", 1),
    Bneck(5, 1152, 192, 0, "relu", 1),
    Bneck(3, 1152, 320, 0, "relu", 1),
    Conv( 1,       1280,   "relu", 1),
)

SMALL = (
    #     k  exp  out  se act     s  gate          input 224
    Conv( 3,        8,     "relu", 2),
    Bneck(3,   8,   8,  0, "relu", 1),             # 112
    Bneck(3,  24,  16,  0, "relu", 2),
    Bneck(3,  96,  16,  0, "relu", 2),             # 56
    Bneck(3,  96,  16,  0, "relu", 1),             # 28
    Bneck(5,  96,  32,  4, "relu", 2, "sigmoid"),
    Bneck(5, 192,  32,  8, "relu", 1, "sigmoid"),  # 14
    Bneck(5, 192,  32,  8, "relu", 1, "sigmoid"),
    Bneck(5, 192,  32,  8, "relu", 1, "sigmoid"),
    Bneck(3, 192,  32,  8, "relu", 1, "sigmoid"),
    Bneck(3, 192,  32,  8, "relu", 1, "sigmoid"),
    Bneck(3, 192,  32,  8, "relu", 1, "sigmoid"),
    Bneck(5, 192,  88,  8, "relu", 2, "sigmoid"),
    Bneck(5, 528,  88, 22, "relu", 1, "sigmoid"),  # 7
    Bneck(5, 528,  88, 22, "relu", 1, "sigmoid"),
    Bneck(3, 528, 144,  0, "relu", 1),
    Conv( 1,      1280,    "relu", 1),
)
# fmt: on

HEAD = Classifier(1000, dropout=0.2)
CONVENTIONS = Conventions(bn_eps=1e-3, bn_momentum=0.01)  # the authors' code: epsilon 1e-3, decay 0.99


def widen(rows: Rows, width: float) -> Rows:
    """Width multiplier: the last convolution keeps its 1280 channels, attention is a quarter of a block's input."""
    scaled = list(spec.widen(rows[:-1], width))
    for i, row in enumerate(scaled):
        if isinstance(row, Bneck) and row.squeeze:
            scaled[i] = replace(row, squeeze=round(scaled[i - 1].out / 4))
    return (*scaled, rows[-1])

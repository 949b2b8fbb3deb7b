"""ResNet-50 (arXiv 1512.03385, table 1), with squeeze-and-excite (SENet, arXiv 1709.01507, table 1), and separable.

Here for comparison: the hourglass that V2's spindle turned inside out. The stride is in the 3x3, as most now train it.
"""

from __future__ import annotations

from pocketvision.blocks import Bottleneck, Conv, MaxPool
from pocketvision.blocks.change import changed, with_squeeze_excite
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions, Rows

# fmt: off
RESNET_50 = (
    #          k/narrow out  act     s     input 224
    Conv(      7,        64, "relu", 2),
    MaxPool(   3,        64,         2),  # 112
    Bottleneck( 64,     256, "relu", 1),  # 56
    Bottleneck( 64,     256, "relu", 1),
    Bottleneck( 64,     256, "relu", 1),
    Bottleneck(128,     512, "relu", 2),
    Bottleneck(128,     512, "relu", 1),  # 28
    Bottleneck(128,     512, "relu", 1),
    Bottleneck(128,     512, "relu", 1),
    Bottleneck(256,    1024, "relu", 2),
    Bottleneck(256,    1024, "relu", 1),  # 14
    Bottleneck(256,    1024, "relu", 1),
    Bottleneck(256,    1024, "relu", 1),
    Bottleneck(256,    1024, "relu", 1),
    Bottleneck(256,    1024, "relu", 1),
    Bottleneck(512,    2048, "relu", 2),
    Bottleneck(512,    2048, "relu", 1),  # 7
    Bottleneck(512,    2048, "relu", 1),
)
# fmt: on


def with_separable(rows: Rows) -> Rows:
    """Every 3x3 convolution as MobileNetV1 has it: depthwise, then 1x1."""
    return changed(rows, Bottleneck, separable=True)


SE_RESNET_50 = with_squeeze_excite(RESNET_50, "sigmoid", 16)
RESNET_50_SEPARABLE = with_separable(RESNET_50)

HEAD = Classifier(1000, dropout=0.0)
CONVENTIONS = Conventions()

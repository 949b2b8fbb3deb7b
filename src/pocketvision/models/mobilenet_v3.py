"""MobileNetV3 (arXiv 1905.02244, tables 1 and 2): V2's block with squeeze-and-excite and h-swish, found by search.

The last stage is redesigned: the 1x1 expansion comes after the last bottleneck, its 1280 (1024) features after pooling.
"""

from __future__ import annotations

from dataclasses import replace

from pocketvision.blocks import Bneck, Conv
from pocketvision.blocks.change import with_activation, with_kernel_at_most, without_squeeze_excite
from pocketvision.heads import Classifier, Dense
from pocketvision.spec import Conventions, Rows

# fmt: off
LARGE = (
    #     k  exp  out   se  act       s     input 224
    Conv( 3,       16,      "hswish", 2),
    Bneck(3,  16,  16,   0, "relu",   1),  # 112
    Bneck(3,  64,  24,   0, "relu",   2),
    Bneck(3,  72,  24,   0, "relu",   1),  # 56
    Bneck(5,  72,  40,  24, "relu",   2),
    Bneck(5, 120,  40,  32, "relu",   1),  # 28
    Bneck(5, 120,  40,  32, "relu",   1),
    Bneck(3, 240,  80,   0, "hswish", 2),
    Bneck(3, 200,  80,   0, "hswish", 1),  # 14
    Bneck(3, 184,  80,   0, "hswish", 1),
    Bneck(3, 184,  80,   0, "hswish", 1),
    Bneck(3, 480, 112, 120, "hswish", 1),
    Bneck(3, 672, 112, 168, "hswish", 1),
    Bneck(5, 672, 160, 168, "hswish", 2),
    Bneck(5, 960, 160, 240, "hswish", 1),  # 7
    Bneck(5, 960, 160, 240, "hswish", 1),
    Conv( 1,      960,      "hswish", 1),
)

SMALL = (
    #     k  exp  out   se  act       s     input 224
    Conv( 3,       16,      "hswish", 2),
    Bneck(3,  16,  16,   8, "relu",   2),  # 112
    Bneck(3,  72,  24,   0, "relu",   2),  # 56
    Bneck(3,  88,  24,   0, "relu",   1),  # 28
    Bneck(5,  96,  40,  24, "hswish", 2),
    Bneck(5, 240,  40,  64, "hswish", 1),  # 14
    Bneck(5, 240,  40,  64, "hswish", 1),
    Bneck(5, 120,  48,  32, "hswish", 1),
    Bneck(5, 144,  48,  40, "hswish", 1),
    Bneck(5, 288,  96,  72, "hswish", 2),
    Bneck(5, 576,  96, 144, "hswish", 1),  # 7
    Bneck(5, 576,  96, 144, "hswish", 1),
    Conv( 1,      576,      "hswish", 1),
)
# fmt: on


def minimalistic(rows: Rows) -> Rows:
    """The authors' variant for devices that run h-swish and 5x5 slowly: ReLU, 3x3, no squeeze-and-excite.

    Source: tensorflow/models research/slim/nets/mobilenet, "minimalistic".
    """
    plain = with_activation(without_squeeze_excite(rows), "relu")
    return with_kernel_at_most(plain, 3)


LARGE_HEAD = Classifier(1000, (Dense(1280, "hswish"),), dropout=0.2)
SMALL_HEAD = Classifier(1000, (Dense(1024, "hswish"),), dropout=0.2)
LARGE_MINIMALISTIC_HEAD = replace(LARGE_HEAD, dense=(Dense(1280, "relu"),))
SMALL_MINIMALISTIC_HEAD = replace(SMALL_HEAD, dense=(Dense(1024, "relu"),))
CONVENTIONS = Conventions(bn_eps=1e-3, bn_momentum=0.01)

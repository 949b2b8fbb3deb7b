"""V2's spindle and ResNet's hourglass as two tables of equal multiply-adds.

Both have V2's stem and its 17 blocks, with the same strides, at 224 px, and ten classes, so that the head costs
nothing. The spindle is V2's own table without the last 1x1 convolution. The hourglass is ResNet's block, its narrow
middle a quarter of its ends, the ends as many times V2's as make the multiply-adds equal; once with ResNet's full 3x3
and once with a depthwise separable one, because what the shape does and what the convolution does are two questions.
"""

from __future__ import annotations

from functools import cache

from pocketvision.blocks import Bneck, Bottleneck
from pocketvision.heads import Classifier
from pocketvision.measure.count_spec import count_spec
from pocketvision.models import mobilenet_v2
from pocketvision.spec import Rows, Spec, make_divisible

RESOLUTION, CLASSES = 224, 10
FACTORS = [step / 50 for step in range(115, 170)]  # ends of the hourglass in those of the spindle
SHAPES = ("spindle", "hourglass", "separable hourglass")


@cache
def shape(name: str) -> Spec:
    """The network of one of SHAPES."""
    spindle = _spec("spindle", mobilenet_v2.TRUNK[:-1])
    if name == "spindle":
        return spindle
    wanted = count_spec(spindle).macs
    tables = [_spec(name, _hourglass(factor, name.startswith("separable"))) for factor in FACTORS]
    return min(tables, key=lambda spec: abs(count_spec(spec).macs - wanted))


def _spec(name: str, rows: Rows) -> Spec:
    return Spec(name, rows, Classifier(CLASSES), RESOLUTION)


def _hourglass(factor: float, separable: bool) -> Rows:
    """V2's table with a bottleneck for each inverted residual, its ends `factor` times as wide."""
    stem, *blocks = mobilenet_v2.TRUNK[:-1]
    rows = []
    for block in blocks:
        assert isinstance(block, Bneck)
        out = make_divisible(factor * block.out)
        rows.append(Bottleneck(make_divisible(out / 4), out, "relu", block.stride, separable=separable))
    return (stem, *rows)

"""Published ImageNet top-1 accuracies, and an estimate between and beyond them.

The figures are the papers' authors' own where they published checkpoints or tables with widths, else those of the
library whose weights most people use; `SOURCES` says which.
"""

from __future__ import annotations

import functools
import math

# fmt: off
_TABLES = {
    #                      width: {resolution: top-1 %}
    "mobilenet_v1": {
        1.0:  {224: 70.9, 192: 70.0, 160: 68.0, 128: 65.2},
        0.75: {224: 68.4, 192: 67.2, 160: 65.3, 128: 62.1},
        0.5:  {224: 63.3, 192: 61.7, 160: 59.1, 128: 56.3},
        0.25: {224: 49.8, 192: 47.7, 160: 45.5, 128: 41.5},
    },
    "mobilenet_v1_full": {1.0: {224: 71.7}},
    "mobilenet_v1_shallow": {1.0: {224: 65.3}},
    "mobilenet_v2": {
        1.4:  {224: 75.0},
        1.3:  {224: 74.4},
        1.0:  {224: 71.8, 192: 70.7, 160: 68.8, 128: 65.3, 96: 60.3},
        0.75: {224: 69.8, 192: 68.7, 160: 66.4, 128: 63.2, 96: 58.8},
        0.5:  {224: 65.4, 192: 63.9, 160: 61.0, 128: 57.7, 96: 51.2},
        0.35: {224: 60.3, 192: 58.2, 160: 55.7, 128: 50.8, 96: 45.5},
    },
    "mobilenet_v3_large": {1.0: {224: 75.2}, 0.75: {224: 73.3}},
    "mobilenet_v3_small": {1.0: {224: 67.5}, 0.75: {224: 65.4}, 0.5: {224: 57.9}},
    "mobilenet_v3_large_minimalistic": {1.0: {224: 72.3}},
    "mobilenet_v3_small_minimalistic": {1.0: {224: 61.9}},
    "mnasnet_a1": {
        1.4:  {224: 77.2, 192: 76.1, 160: 74.8, 128: 72.5, 96: 68.6},
        1.0:  {224: 75.2, 192: 74.0, 160: 72.0, 128: 69.3, 96: 64.4},
        0.75: {224: 73.3, 192: 72.1, 160: 70.1, 128: 67.0, 96: 62.1},
        0.5:  {224: 68.9, 192: 67.2, 160: 64.9, 128: 60.8, 96: 54.7},
        0.35: {224: 64.1, 192: 62.4, 160: 59.3, 128: 54.8, 96: 49.3},
    },
    "mnasnet_b1": {1.3: {224: 76.5}, 1.0: {224: 73.5}, 0.75: {224: 71.2}, 0.5: {224: 67.7}},
    "mnasnet_small": {1.0: {224: 66.2}},
    "squeezenet_1.0": {1.0: {224: 58.1}},
    "squeezenet_1.1": {1.0: {224: 58.2}},
    "shufflenet_v1": {2.0: {224: 74.1}, 1.5: {224: 71.6}, 1.0: {224: 67.8}, 0.5: {224: 57.3}},
    "shufflenet_v1_g8": {2.0: {224: 72.9}, 1.5: {224: 71.0}, 1.0: {224: 68.0}, 0.5: {224: 58.8}},
    "shufflenet_v2": {2.0: {224: 75.0}, 1.5: {224: 72.6}, 1.0: {224: 69.4}, 0.5: {224: 61.1}},
    "xception": {1.0: {299: 79.0}},
    "resnet_50": {1.0: {224: 76.1}},
    "se_resnet_50": {1.0: {224: 77.7}},
}
# fmt: on

_SLIM = "tensorflow/models research/slim/nets/"
SOURCES = {
    "mobilenet_v1": _SLIM + "mobilenet_v1.md",
    "mobilenet_v1_full": "arXiv 1704.04861, table 4",
    "mobilenet_v1_shallow": "arXiv 1704.04861, table 5",
    "mobilenet_v2": _SLIM + "mobilenet/README.md",
    "mobilenet_v3_large": _SLIM + "mobilenet/README.md",
    "mobilenet_v3_small": _SLIM + "mobilenet/README.md; width 0.5: timm mobilenetv3_small_050.lamb_in1k",
    "mobilenet_v3_large_minimalistic": _SLIM + "mobilenet/README.md",
    "mobilenet_v3_small_minimalistic": _SLIM + "mobilenet/README.md",
    "mnasnet_a1": "tensorflow/tpu models/official/mnasnet/README.md",
    "mnasnet_b1": "torchvision MNASNet*_Weights.IMAGENET1K_V1",
    "mnasnet_small": "timm mnasnet_small.lamb_in1k",
    "squeezenet_1.0": "torchvision SqueezeNet1_0_Weights.IMAGENET1K_V1",
    "squeezenet_1.1": "torchvision SqueezeNet1_1_Weights.IMAGENET1K_V1",
    "shufflenet_v1": "megvii-model/ShuffleNet-Series README.md",
    "shufflenet_v1_g8": "megvii-model/ShuffleNet-Series README.md",
    "shufflenet_v2": "megvii-model/ShuffleNet-Series README.md",
    "xception": "keras.io/api/applications",
    "resnet_50": "torchvision ResNet50_Weights.IMAGENET1K_V1",
    "se_resnet_50": "timm legacy_seresnet50.in1k",
}

PUBLISHED: dict[tuple[str, float, int], float] = {
    (family, width, resolution): percent / 100
    for family, widths in _TABLES.items()
    for width, row in widths.items()
    for resolution, percent in row.items()
}


def source(family: str, width: float, resolution: int) -> str | None:
    """Where a published figure stands; None when there is none."""
    return SOURCES[family] if (family, width, resolution) in PUBLISHED else None


@functools.cache
def _like(family: str) -> str:
    """The family whose published figures speak for this one: itself, else the one it is a variant of by name."""
    families = {name for name, _, _ in PUBLISHED}
    return family if family in families else max((name for name in families if family.startswith(name)), key=len)


@functools.cache
def _error_law(family: str) -> tuple[float, float, float]:
    """(a, b, c) of log(error) = a + b log(width) + c log(resolution / 224), by least squares over the family's figures.

    A family that was published at one resolution, or one width, borrows V2's slope.
    """
    import numpy as np

    points = [(width, res, math.log(1 - top1)) for (name, width, res), top1 in PUBLISHED.items() if name == family]
    b = None if len({width for width, _, _ in points}) > 1 else _error_law("mobilenet_v2")[1]
    c = None if len({res for _, res, _ in points}) > 1 else _error_law("mobilenet_v2")[2]
    columns, known = [], []
    for width, res, error in points:
        x, y = math.log(width), math.log(res / 224)
        columns.append([1.0] + ([x] if b is None else []) + ([y] if c is None else []))
        known.append(error - (0 if b is None else b * x) - (0 if c is None else c * y))
    solution = [float(value) for value in np.linalg.lstsq(np.array(columns), np.array(known), rcond=None)[0]]
    return solution.pop(0), solution.pop(0) if b is None else b, solution.pop(0) if c is None else c


def estimate_top1(family: str, width: float, resolution: float) -> tuple[float, str]:
    """ImageNet top-1 (0..1) that this variant would reach, and "published" or "estimated".

    `resolution` is that of ImageNet's photographs.
    """
    asked, family = family, _like(family)
    exact = PUBLISHED.get((family, width, int(resolution))) if resolution == int(resolution) else None
    if exact is not None:
        return exact, "published" if family == asked else "estimated"
    a, b, c = _error_law(family)
    law = a + b * math.log(width) + c * math.log(resolution / 224)
    # Published figures of this width bend the law to go through them: a larger resolution must never look worse.
    bent = [
        (math.log(res), math.log(1 - top1) - (a + b * math.log(width) + c * math.log(res / 224)))
        for (name, w, res), top1 in sorted(PUBLISHED.items())
        if (name, w) == (family, width)
    ]
    if bent:
        from numpy import interp

        places, offsets = zip(*bent, strict=True)
        law += float(interp(math.log(resolution), places, offsets))
    return max(0.0, 1 - math.exp(law)), "estimated"

"""Published ImageNet top-1 accuracies, and an estimate between and beyond them.

Sources: the MobileNetV1, V2 and V3 tables of tensorflow/models, research/slim/nets (`mobilenet_v1.md` and
`mobilenet/README.md`): the papers' authors' own float checkpoints. V3-Small at width 0.5: timm
`mobilenetv3_small_050.lamb_in1k`.
"""

from __future__ import annotations

import functools
import math

# fmt: off
_SLIM = {
    #                      width: {resolution: top-1 %}
    "mobilenet_v1": {
        1.0:  {224: 70.9, 192: 70.0, 160: 68.0, 128: 65.2},
        0.75: {224: 68.4, 192: 67.2, 160: 65.3, 128: 62.1},
        0.5:  {224: 63.3, 192: 61.7, 160: 59.1, 128: 56.3},
        0.25: {224: 49.8, 192: 47.7, 160: 45.5, 128: 41.5},
    },
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
}
# fmt: on

PUBLISHED: dict[tuple[str, float, int], float] = {
    (family, width, resolution): percent / 100
    for family, widths in _SLIM.items()
    for width, row in widths.items()
    for resolution, percent in row.items()
}


def source(family: str, width: float, resolution: int) -> str | None:
    """Where a published figure stands; None when there is none."""
    if (family, width, resolution) not in PUBLISHED:
        return None
    if family.startswith("mobilenet_v3") and width == 0.5:
        return "timm mobilenetv3_small_050.lamb_in1k"
    page = "mobilenet_v1.md" if family == "mobilenet_v1" else "mobilenet/README.md"
    return f"tensorflow/models research/slim/nets/{page}"


@functools.cache
def _error_law(family: str) -> tuple[float, float, float]:
    """(a, b, c) of log(error) = a + b log(width) + c log(resolution / 224), by least squares over the family's figures.

    V3 was published at 224 px only: it borrows V2's slope in resolution.
    """
    import numpy as np

    points = [(width, res, math.log(1 - top1)) for (name, width, res), top1 in PUBLISHED.items() if name == family]
    c = None if len({res for _, res, _ in points}) > 1 else _error_law("mobilenet_v2")[2]
    columns = [[1.0, math.log(width)] + ([math.log(res / 224)] if c is None else []) for width, res, _ in points]
    known = [error - (0 if c is None else c * math.log(res / 224)) for _, res, error in points]
    solution = np.linalg.lstsq(np.array(columns), np.array(known), rcond=None)[0]
    a, b = float(solution[0]), float(solution[1])
    return a, b, float(solution[2]) if c is None else c


def estimate_top1(family: str, width: float, resolution: float) -> tuple[float, str]:
    """ImageNet top-1 (0..1) that this variant would reach, and "published" or "estimated".

    `resolution` is that of ImageNet's photographs.
    """
    exact = PUBLISHED.get((family, width, int(resolution))) if resolution == int(resolution) else None
    if exact is not None:
        return exact, "published"
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

"""The grid that `fit` chooses from: families x widths x resolutions, with costs and expected accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pocketvision.fitting.limits import Limits
from pocketvision.fitting.pretrained import Pretrained, equivalent_width
from pocketvision.measure.count_spec import count_specs
from pocketvision.models import MODELS, create_spec, usual_stride, variant_name
from pocketvision.models.published import estimate_top1
from pocketvision.spec import Spec, total_stride

FAMILIES = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
WIDTHS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.4)
RESOLUTIONS = (16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224)
FINE = tuple(range(16, 225, 8))
ENLARGE = 4  # more pixels than this times the image's own tell the network nothing new
SMALL = 64  # px: pictures up to this side are also looked at as they are
FULL = 224  # px: what ImageNet's photographs are shown at


@dataclass(frozen=True)
class Candidate:
    """A family at a width and a resolution. `score` is the ImageNet top-1 published or estimated for it."""

    family: str
    width: float
    resolution: int
    params: int
    macs: int
    score: float
    score_source: str
    pretrained: bool
    own: Spec | None = None  # the network of the pretrained weights, whose rows need not be those of a table

    @property
    def name(self) -> str:
        return variant_name(self.family, self.width, self.resolution)

    def spec(self, classes: int, channels: int) -> Spec:
        """The architecture. That of pretrained weights keeps the stem that they were trained with at any size."""
        return self.own or create_spec(self.family, self.width, self.resolution, classes, channels)


def grid(
    classes: int, channels: int, side: int, pretrained: Pretrained | None, limits: Limits = Limits()
) -> list[Candidate]:
    """All candidates for images whose shorter side is about `side` px that keep `limits`; costs counted on the modules.

    InputError when none keeps them.
    """
    found, costly = [], []
    variants = list(_variants(side, pretrained))
    specs = [
        own.at(resolution) if own else create_spec(family, width, resolution, classes, channels)
        for family, width, resolution, own in variants
    ]
    for (family, width, resolution, own), spec, costs in zip(variants, specs, count_specs(specs), strict=True):
        if limits.exceeded(costs):
            costly.append(costs)
            continue
        speaks = ("mobilenet_v2", equivalent_width(spec)) if own and own.table is None else (family, width)
        score, source = estimate_top1(*speaks, effective_resolution(resolution, side, spec))
        rows = (True, spec) if own else (False,)
        found.append(Candidate(family, width, resolution, costs.params, costs.macs, score, source, *rows))
    if not found:
        raise limits.nothing_fits(costly)
    return found


def _variants(side: int, pretrained: Pretrained | None) -> Iterator[tuple[str, float, int, Pretrained | None]]:
    """Family, width and resolution of each candidate, and the pretrained network where it is that."""
    # Small pictures as they are: no position is spent on what enlarging adds.
    resolutions = sorted({*RESOLUTIONS, *([side] if RESOLUTIONS[0] <= side <= SMALL else [])})
    tables = {family: MODELS[family] for family in FAMILIES}
    if pretrained and pretrained.table:
        tables[pretrained.family] = MODELS[pretrained.table]
    for family in dict.fromkeys([*tables, *([pretrained.family] if pretrained else [])]):
        widths = {pretrained.width} if pretrained and pretrained.family == family else set()
        for width in sorted(widths | set(WIDTHS if family in tables else ())):
            own = pretrained if pretrained and (family, width) == (pretrained.family, pretrained.width) else None
            # Weights at hand leave resolution as the only dial: finer steps use more of the budget.
            for resolution in FINE if own else resolutions:
                if RESOLUTIONS[0] < resolution and resolution > ENLARGE * side:
                    continue
                if resolution >= (own.least if own else tables[family].least):
                    yield family, width, resolution, own


def effective_resolution(resolution: int, side: int, spec: Spec) -> float:
    """The ImageNet resolution whose published accuracy speaks for this one: the scarcer of positions and detail.

    A 32 px input whose stem skips two halvings has as many positions as 128 px. And it shows a 32 px picture in full,
    but of a photograph only what ImageNet's shows at 32 px.
    """
    positions = resolution * usual_stride(spec) / total_stride(spec.trunk)
    detail = FULL * resolution / min(side, FULL)
    return min(positions, detail)


def lines(candidates: Iterable[Candidate]) -> list[list[Candidate]]:
    """One line for each family (pretrained ones apart): by rising cost, keeping what no cheaper one outscores."""

    def key(candidate: Candidate) -> tuple[bool, str]:
        return not candidate.pretrained, candidate.family

    result = []
    for _, group in groupby(sorted(candidates, key=key), key=key):
        line: list[Candidate] = []
        for candidate in sorted(group, key=lambda c: (c.macs, -c.score)):
            if not line or candidate.score > line[-1].score:
                line.append(candidate)
        result.append(line)
    return result


def largest_that_fits(line: list[Candidate], fits: Callable[[Candidate], bool]) -> Candidate | None:
    """The costliest candidate of a line that fits, found by bisection on multiply-adds: log2(n) are timed, not n."""
    low, high = -1, len(line)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(line[middle]):
            low = middle
        else:
            high = middle
    return line[low] if low >= 0 else None


def predict_ms(candidate: Candidate, timed: dict[Candidate, float]) -> float | None:
    """Latency of an untimed candidate from the timed ones of its family, log-log in multiply-adds.

    Between two timed ones on the straight line through them; beyond the last, with the slope that all timed
    candidates share. None when nothing of its family was timed.
    """
    x = math.log(candidate.macs)
    known = sorted((math.log(c.macs), math.log(ms)) for c, ms in timed.items() if c.family == candidate.family)
    if not known:
        return None
    below = [point for point in known if point[0] <= x][-1:]
    above = [point for point in known if point[0] >= x][:1]
    if below and above and above[0][0] > below[0][0]:
        (x0, y0), (x1, y1) = below[0], above[0]
        return math.exp(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    x0, y0 = (below or above)[0]
    return math.exp(y0 + _slope(timed) * (x - x0))


def _slope(timed: dict[Candidate, float]) -> float:
    """Least squares slope of log latency over log multiply-adds, each family with its own level; 1 when unknown."""
    across, along = 0.0, 0.0
    for family in {c.family for c in timed}:
        points = [(math.log(c.macs), math.log(ms)) for c, ms in timed.items() if c.family == family]
        mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
        across += sum((x - mean_x) * (y - mean_y) for x, y in points)
        along += sum((x - mean_x) ** 2 for x, _ in points)
    return min(1.0, max(0.0, across / along)) if along else 1.0

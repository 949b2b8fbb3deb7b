"""95 % intervals: of a mean, of a paired difference of two networks."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

Z = 1.96


def mean(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """The mean, and its normal interval."""
    middle = fmean(values)
    half = Z * stdev(values) / len(values) ** 0.5
    return middle, (middle - half, middle + half)


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Mean of first - second over the same images, and its interval; a value is 1 where a network is right."""
    return mean([a - b for a, b in zip(first, second, strict=True)])

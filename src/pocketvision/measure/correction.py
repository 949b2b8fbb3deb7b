"""From the sum of a network's pieces to its time: what whole networks teach, and how far off it then is.

Three numbers: a scale (the profiler's clock beside the plain run), a constant for each node of the engine's graph (what
passes between two nodes) and one for each run. They are fitted to the relative error of whole-network timings, and
held near what is to be expected where the timings are few or noisy, as in a Bayesian fit with normal errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOISE = 0.02  # the relative error that one whole-network timing is believed to have
# A factor, ms a node, ms a run. The profiler's clock drops fractions of microseconds, half a one for each node.
PRIOR = (1.0, 0.0005, 0.02)
SPREAD = (0.1, 0.001, 0.05)  # how far from the prior each number may well be


@dataclass(frozen=True)
class Correction:
    """ms of a network = scale * (sum of its pieces) + per_node * nodes + per_run."""

    scale: float = 1.0
    per_node: float = 0.0
    per_run: float = 0.0

    def apply(self, rows_ms: float, nodes: float) -> float:
        """Milliseconds of a network whose pieces take `rows_ms` and are `nodes` nodes."""
        return self.scale * rows_ms + self.per_node * nodes + self.per_run


@dataclass(frozen=True)
class Example:
    """A network whose pieces are known and which was timed as a whole."""

    rows_ms: float
    nodes: float
    ms: float


@dataclass(frozen=True)
class TableError:
    """Relative errors of predictions for whole networks that the correction was not fitted to."""

    median: float
    p95: float
    networks: int


def fit(examples: Sequence[Example]) -> Correction:
    """The correction that fits the examples best; without any, what is to be expected."""
    if not examples:
        return Correction(*PRIOR)
    features = np.array([(e.rows_ms, e.nodes, 1.0) for e in examples]) / np.array([[e.ms] for e in examples])
    left = np.vstack([features / NOISE, np.diag(1 / np.array(SPREAD))])
    right = np.concatenate([np.full(len(examples), 1 / NOISE), np.array(PRIOR) / np.array(SPREAD)])
    found, kept = np.zeros(3), [0, 1, 2]
    while True:
        found[kept] = np.linalg.lstsq(left[:, kept], right, rcond=None)[0]
        negative = [i for i in kept if found[i] < 0]
        if not negative:  # nothing between two nodes can save time: what comes out below 0 is noise
            return Correction(*map(float, found))
        found[negative] = 0.0
        kept = [i for i in kept if i not in negative]


def cross_validated(examples: Sequence[Example]) -> list[float]:
    """Each example's relative error, (predicted - measured) / measured, by the correction that the others give."""
    errors = []
    for i, example in enumerate(examples):
        others = [*examples[:i], *examples[i + 1 :]]
        errors.append(fit(others).apply(example.rows_ms, example.nodes) / example.ms - 1)
    return errors


def table_error(examples: Sequence[Example]) -> TableError:
    """Median and 95th percentile of the cross-validated errors' sizes; of fewer than 20 networks, the largest."""
    sizes = sorted(abs(error) for error in cross_validated(examples))
    if not sizes:
        return TableError(math.nan, math.nan, 0)
    return TableError(float(np.median(sizes)), sizes[math.ceil(0.95 * len(sizes)) - 1], len(sizes))

"""From the sum of a network's pieces to its time: what whole networks teach, and how far off it then is.

Three numbers: a scale (the profiler's clock beside the plain run), a constant for each node of the engine's graph (what
passes between two nodes) and one for each run. They are fitted to the relative error of whole-network timings, and
held near 1, 0 and 0 where the timings are few, as in a Bayesian fit with normal errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOISE = 0.02  # the relative error that one whole-network timing is believed to have
PRIOR = (1.0, 0.0, 0.0)
SPREAD = (0.15, 0.003, 0.1)  # how far from the prior each number may well be: a factor, ms a node, ms a run


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
    """The correction that fits the examples best; without any, none."""
    if not examples:
        return Correction()
    features = np.array([(e.rows_ms, e.nodes, 1.0) for e in examples]) / np.array([[e.ms] for e in examples])
    spread = np.diag(1 / np.array(SPREAD))
    left = np.vstack([features / NOISE, spread])
    right = np.concatenate([np.full(len(examples), 1 / NOISE), spread @ np.array(PRIOR)])
    scale, per_node, per_run = np.linalg.lstsq(left, right, rcond=None)[0]
    return Correction(float(scale), float(per_node), float(per_run))


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

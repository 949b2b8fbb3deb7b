"""From the sum of a network's pieces to its time: what whole networks teach, and how far off it then is.

Three numbers: a scale, a constant for each node of the engine's graph (a profiled node takes some microseconds more
than a plain one) and one for each run (a small network finds in the caches what a chain of rows brings from memory).
They are fitted to the relative error of whole-network timings, and held near what is to be expected where the timings
are few or noisy, as in a Bayesian fit with normal errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOISE = 0.02  # the relative error that one whole-network timing is believed to have
# A factor, ms a node, ms a run. ONNX Runtime's profiler adds some 3 us to a node that does nothing.
PRIOR = {"onnxruntime": (1.0, -0.003, 0.0), "torch": (1.0, 0.0, 0.0)}
SPREAD = (0.1, 0.002, 0.2)  # how far from the prior each number may well be
LEAST = 0.1  # of the sum of the rows: no correction takes more away


@dataclass(frozen=True)
class Correction:
    """ms of a network = scale * (sum of its pieces) + per_node * nodes + per_run; the latter two may be negative.

    `least_rows_ms` is the smallest sum that taught it. Below, per_run shrinks with the sum: nothing is known of such
    networks, and what a large one saves may be more than a small one takes.
    """

    scale: float = 1.0
    per_node: float = 0.0
    per_run: float = 0.0
    least_rows_ms: float = 0.0

    def apply(self, rows_ms: float, nodes: float) -> float:
        """Milliseconds of a network whose pieces take `rows_ms` and are `nodes` nodes."""
        per_run = self.per_run * min(1.0, rows_ms / self.least_rows_ms if self.least_rows_ms else 1.0)
        return max(LEAST * rows_ms, self.scale * rows_ms + self.per_node * nodes + per_run)


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


def fit(examples: Sequence[Example], runtime: str) -> Correction:
    """The correction that fits the examples best; without any, what is to be expected in `runtime`."""
    prior = PRIOR[runtime]
    if not examples:
        return Correction(*prior)
    features = np.array([(e.rows_ms, e.nodes, 1.0) for e in examples]) / np.array([[e.ms] for e in examples])
    left = np.vstack([features / NOISE, np.diag(1 / np.array(SPREAD))])
    right = np.concatenate([np.full(len(examples), 1 / NOISE), np.array(prior) / np.array(SPREAD)])
    scale, per_node, per_run = map(float, np.linalg.lstsq(left, right, rcond=None)[0])
    return Correction(scale, per_node, per_run, min(example.rows_ms for example in examples))


def cross_validated(examples: Sequence[Example], runtime: str) -> list[float]:
    """Each example's relative error, (predicted - measured) / measured, by the correction that the others give."""
    errors = []
    for i, example in enumerate(examples):
        others = [*examples[:i], *examples[i + 1 :]]
        errors.append(fit(others, runtime).apply(example.rows_ms, example.nodes) / example.ms - 1)
    return errors


def table_error(examples: Sequence[Example], runtime: str) -> TableError:
    """Median and 95th percentile of the cross-validated errors' sizes; of fewer than 20 networks, the largest."""
    sizes = sorted(abs(error) for error in cross_validated(examples, runtime))
    if not sizes:
        return TableError(math.nan, math.nan, 0)
    return TableError(float(np.median(sizes)), sizes[math.ceil(0.95 * len(sizes)) - 1], len(sizes))

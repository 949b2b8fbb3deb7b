"""What ReLU destroys in few dimensions: figure 1 of MobileNetV2 (arXiv 1801.04381) with numbers.

A spiral in the plane is embedded by a random matrix T into n dimensions, goes through ReLU, and is projected back by
the pseudo-inverse of T. Four measures of the loss, each over many T:

* `error`: relative squared error of the figure's own reconstruction. It does not vanish for large n: ReLU halves on
  average what it lets through, so that half of each point comes back, and the error tends to 1/4.
* `linear`: the same of the best affine map from the n numbers back to the plane, by least squares.
* `collapsed`: share of the points that lie in a region of the plane which ReLU makes a line or a single point: fewer
  than two of the n numbers are positive there. By the binomial law it is (1 + n) / 2^n on average.
* `merged`: share of the points that ReLU makes zero in all dimensions, so that nothing at all is left: 1 / 2^n.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import intervals
import numpy as np
from numpy.typing import NDArray

from pocketvision.measure.latency import median_interval

DIMENSIONS = (2, 3, 5, 15, 30)
MATRICES, POINTS, TURNS = 200, 1000, 2.5
SEED = 0
ERRORS = ("error", "linear")
Array = NDArray[np.float64]


def run() -> dict[str, Any]:
    """A second for the numbers, and relu.png beside this file."""
    from relu_picture import draw

    rows, shown = [], {}
    for n in DIMENSIONS:
        lost = [losses(matrix) for matrix in matrices(n)]
        row: dict[str, Any] = {"dimensions": n}
        for name in lost[0]:
            values = [one[name] for one in lost]
            if name in ERRORS:  # some matrices are nearly singular: their errors have no mean worth naming
                row[name] = {"median": median(values), "interval": median_interval(values)}
            else:
                middle, interval = intervals.mean(values)
                row[name] = {"mean": middle, "interval": interval}
        row["collapsed_expected"], row["merged_expected"] = (1 + n) / 2**n, 1 / 2**n
        rows.append(row)
        shown[n] = median_matrix(n, [one["error"] for one in lost])
    draw({n: reconstructions(matrix) for n, matrix in shown.items()}, spiral(), rows)
    return {"matrices": MATRICES, "points": POINTS, "seed": SEED, "rows": rows}


def spiral() -> Array:
    """2 x POINTS, around the origin, from the middle outwards."""
    along = np.linspace(0.05, 1.0, POINTS)
    angle = 2 * np.pi * TURNS * along
    return along * np.stack([np.cos(angle), np.sin(angle)])


def matrices(n: int) -> list[Array]:
    """Random n x 2 matrices with independent normal entries."""
    generator = np.random.default_rng([SEED, n])
    return list(generator.standard_normal((MATRICES, n, 2)))


def reconstructions(matrix: Array) -> dict[str, Array]:
    """The spiral after ReLU: projected back by the pseudo-inverse, and by the best affine map."""
    points = spiral()
    hidden = np.maximum(matrix @ points, 0)
    widened = np.vstack([hidden, np.ones(POINTS)])
    best = np.linalg.lstsq(widened.T, points.T, rcond=None)[0].T
    return {"error": np.linalg.pinv(matrix) @ hidden, "linear": best @ widened}


def losses(matrix: Array) -> dict[str, float]:
    """The four measures for one matrix."""
    points = spiral()
    active = (matrix @ points > 0).sum(axis=0)
    power = (points**2).sum()
    errors = {name: float(((found - points) ** 2).sum() / power) for name, found in reconstructions(matrix).items()}
    return {**errors, "collapsed": float((active < 2).mean()), "merged": float((active == 0).mean())}


def median_matrix(n: int, errors: list[float]) -> Array:
    """The matrix whose error is the median: neither lucky nor unlucky."""
    return matrices(n)[int(np.argsort(errors)[len(errors) // 2])]

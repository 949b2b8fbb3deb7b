"""How far probabilities can be trusted, for the report: calibration curve, its error, accuracy over coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.calibration import Calibration, cross_entropy, tempered
from pocketvision.evaluation import Evaluation, wilson

BINS, IN_BIN = (
    15,
    20,
)  # bins of the curve; the fewest images in one, below which a share says little
POINTS = 200  # of accuracy over coverage


def reliability(result: Evaluation, calibration: Calibration, split: str) -> dict[str, Any]:
    """The report's `calibration`: what was fitted on which images, and what it does on those of `result`.

    `result` holds the calibrated probabilities; what they were before is computed back from them.
    """
    right = result.answers == result.labels
    before = tempered(result.probabilities, 1 / calibration.temperature)
    found: dict[str, Any] = {
        "temperature": calibration.temperature,
        "threshold": calibration.threshold,
        "wanted": calibration.wanted,
        "fitted_on": {"split": calibration.split, "images": calibration.images},
        "split": split,
        "images": result.images,
        "top1": result.top1,
        "coverage": coverage_curve(result.probabilities.max(axis=1), right),
    }
    for name, probabilities in (("before", before), ("after", result.probabilities)):
        bins = calibration_curve(probabilities.max(axis=1), right)
        found[name] = {"ece": calibration_error(bins), "nll": cross_entropy(probabilities, result.labels), "bins": bins}
    if calibration.threshold is not None:
        kept = result.probabilities.max(axis=1) >= calibration.threshold
        found["kept"] = {
            "images": int(kept.sum()),
            "right": int(right[kept].sum()),
            "wrong_set_aside": int((~right & ~kept).sum()),
        }
    return found


def calibration_curve(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The answers by rising confidence in at most BINS bins of equally many: {confidence, accuracy, interval, images}.

    `confidence` and `accuracy` are means over the bin, `interval` the accuracy's 95 % Wilson interval. Bins of equal
    width would be nearly empty but for the last: most answers of a trained network are near certain.
    """
    order = np.argsort(confidence, kind="stable")
    number = max(1, min(BINS, len(order) // IN_BIN))
    return [
        {
            "confidence": float(confidence[part].mean(dtype=np.float64)),
            "accuracy": float(right[part].mean()),
            "interval": list(wilson(float(right[part].mean()), len(part))),
            "images": len(part),
        }
        for part in np.array_split(order, number)
    ]


def calibration_error(bins: list[dict[str, Any]]) -> float:
    """Expected calibration error (arXiv 1706.04599, equation 3) over the bins: the mean of |accuracy - confidence|."""
    images = sum(part["images"] for part in bins)
    return math.fsum(part["images"] * abs(part["accuracy"] - part["confidence"]) for part in bins) / images


def coverage_curve(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> list[list[float]]:
    """[coverage, accuracy] when only the surest answers count, from few to all; at most POINTS pairs."""
    order = np.argsort(-confidence, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    some = np.unique(np.linspace(0, len(order) - 1, POINTS).round().astype(int))
    return [[(int(i) + 1) / len(order), float(share[i])] for i in some]

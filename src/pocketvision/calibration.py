"""What a network's probabilities are worth: a temperature that makes them honest, and when to say "unsure".

The temperature divides the logits before the softmax (Guo et al. 2017, arXiv 1706.04599): it changes no answer, only
how sure the network says it is. The threshold is a probability below which an answer had better not be used (selective
classification, Geifman and El-Yaniv 2017, arXiv 1705.08500). Both are found on images that were not trained on.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.finite import require_finite_answers

COLDEST, HOTTEST = 0.05, 20.0
LEAST = 1e-38  # what a float32 can just hold, in place of a probability of 0


@dataclass(frozen=True)
class Calibration:
    """`temperature` divides the logits; an answer below `threshold` is unsure. As it stands: nothing was calibrated."""

    temperature: float = 1.0
    threshold: float | None = None  # a probability; None: no answer is unsure
    wanted: float | None = None  # the share of right answers that the threshold was chosen for
    split: str | None = None  # what both were found on, and on how many images
    images: int = 0

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Calibration:
        """Rebuild from `to_json`; None, as in files from before there was calibration, changes nothing.

        InputError when a value is not what it has to be.
        """
        if content is None:
            return cls()
        try:
            found = cls(**content)
            threshold = 0.5 if found.threshold is None else found.threshold
            if not (0 < found.temperature < math.inf and 0 <= threshold <= 1):
                raise ValueError(f"temperature {found.temperature}, threshold {found.threshold}")
        except (TypeError, ValueError) as error:
            raise InputError(f"the description of the calibration is damaged ({error}): write the file anew") from error
        return found


def calibrate(probabilities: NDArray[np.float32], labels: NDArray[np.int64], split: str = "val") -> Calibration:
    """Temperature and threshold from the answers (N x classes, of softmax at temperature 1) to N labelled images."""
    require_finite_answers(probabilities, "a network that is calibrated")
    temperature = fit_temperature(probabilities, labels)
    right = probabilities.argmax(axis=1) == labels
    wanted = 1 - (1 - float(right.mean())) / 2
    threshold = reject_below(tempered(probabilities, temperature).max(axis=1), right, wanted)
    return Calibration(temperature, threshold, wanted if threshold is not None else None, split, len(labels))


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """N x classes probabilities as they would have been with the logits divided by `temperature`."""
    if temperature == 1:
        return probabilities
    # The logarithms of the probabilities are the logits but for a constant, which the softmax ignores.
    logits = np.log(np.maximum(probabilities, LEAST, dtype=np.float64)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def fit_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The temperature with the lowest mean cross-entropy on the images; 1 where none lowers it.

    On a few images that were all answered rightly, the lowest cross-entropy would be that of a network which is
    certain of everything. So the targets are not quite one: as in Platt's scaling (1999, section 2.2) they follow the
    rule of succession, 1 / (N + 2) of each label being spread over all classes.
    """
    from scipy.optimize import minimize_scalar

    smooth = 1 / (len(labels) + 2)
    logits = np.log(np.maximum(probabilities, LEAST, dtype=np.float64))
    targets = smooth * logits.mean(axis=1) + (1 - smooth) * logits[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((np.logaddexp.reduce(logits * scale, axis=1) - targets * scale).mean())

    # Convex in 1 / T, hence with one minimum over log T too.
    found = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    temperature = math.exp(float(found.x))
    before, after = (cross_entropy(tempered(probabilities, t), labels) for t in (1.0, temperature))
    return temperature if after < before else 1.0


def cross_entropy(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean negative log likelihood of the true classes, in nats."""
    return float(cross_entropies(probabilities, labels).mean())


def cross_entropies(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Negative log likelihood (N) of the true class of each image, in nats."""
    right = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.maximum(right, 1e-12, dtype=np.float64))


def reject_below(confidence: NDArray[np.float32], right: NDArray[np.bool_], wanted: float) -> float | None:
    """The smallest threshold at which at least `wanted` of the answers that stay are right.

    `confidence` (N) is the probability of each answer, `right` (N) whether it was right. None when nothing has to be
    set aside, and when no threshold does it.
    """
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Only between two different probabilities can a threshold lie: ties stay or go together.
    ends = np.append(sure[1:] < sure[:-1], True)
    kept = np.flatnonzero(ends & (share >= wanted))
    if not len(kept) or kept[-1] == len(order) - 1:
        return None
    last = int(kept[-1])
    return float(sure[last] + sure[last + 1]) / 2

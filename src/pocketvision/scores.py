"""How good answers are where an image may have several labels: mean average precision, F1, exact match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.finite import require_finite_answers

THRESHOLD = 0.5  # a probability from here on is an answer "yes"
RESAMPLES = 200
RESAMPLED = 20_000_000  # numbers at a time; of many images fewer resamples are drawn, and their interval is narrow


def average_precision(truth: NDArray[np.bool_], scores: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Average precision of N scores, for each row of `weights` (R x N: how often each image counts); NaN without truth.

    The sum over the distinct scores, from the highest down, of precision times gain in recall (scikit-learn's
    definition): equal scores are taken together.
    """
    order = np.argsort(-scores, kind="stable")
    right, weights = truth[order], weights[:, order].astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each run of equal scores
    found, taken = np.cumsum(weights * right, axis=1)[:, last], np.cumsum(weights, axis=1)[:, last]
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    gained = np.diff(found, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore"):
        return (gained * precision).sum(axis=1) / found[:, -1]


def mean_average_precision(
    truth: NDArray[np.bool_], scores: NDArray[Any], weights: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """The mean over the classes that occur: `truth`, `scores` N x classes; `weights` R x N (None: each image once)."""
    require_finite_answers(scores, "a network that is scored")
    weights = np.ones((1, len(truth))) if weights is None else weights
    each = np.stack([average_precision(truth[:, i], scores[:, i], weights) for i in range(truth.shape[1])])
    known = ~np.isnan(each)
    total = np.where(known, each, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(len(weights), np.nan), where=known.any(axis=0))


@dataclass(frozen=True, eq=False)
class MultilabelEvaluation:
    """What a network answered: N x classes `truth` and `probabilities`, each class for itself."""

    truth: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    skipped: int = 0  # images that could not be read, besides those N
    metric: str = "map"

    def __post_init__(self) -> None:
        require_finite_answers(self.probabilities, "a network that is evaluated")

    @property
    def images(self) -> int:
        return len(self.truth)

    @property
    def map(self) -> float:
        """Mean average precision over the classes that occur; 0 when none does."""
        return float(np.nan_to_num(mean_average_precision(self.truth, self.probabilities)[0]))

    @property
    def value(self) -> float:
        """The figure that stands for all: `map`."""
        return self.map

    @property
    def f1(self) -> float:
        """Micro F1 at a probability of 0.5: all images and classes together."""
        right = int((self.truth & self._said).sum())
        said = int(self.truth.sum() + self._said.sum())
        return 2 * right / said if said else 1.0

    @property
    def exact(self) -> float:
        """Fraction of images whose labels at 0.5 are exactly the true ones."""
        return float((self.truth == self._said).all(axis=1).mean())

    @property
    def losses(self) -> NDArray[np.float64]:
        """Binary cross-entropy of each image, in nats, the mean over the classes."""
        right = np.where(self.truth, self.probabilities, 1 - self.probabilities)
        return -np.log(np.maximum(right, 1e-12, dtype=np.float64)).mean(axis=1)

    @property
    def loss(self) -> float:
        """Their mean."""
        return float(self.losses.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile interval of `map` from bootstrap resamples of the images, the same each time."""
        resamples = max(20, min(RESAMPLES, RESAMPLED // self.images))
        random, share = np.random.default_rng(0), np.full(self.images, 1 / self.images)
        drawn = mean_average_precision(
            self.truth, self.probabilities, random.multinomial(self.images, share, size=resamples)
        )
        drawn = drawn[~np.isnan(drawn)]
        low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (0.0, 1.0)
        return float(low), float(high)

    @property
    def never_answered(self) -> tuple[int, ...]:
        """The classes that some image shows and that no image is said to show."""
        return tuple(np.flatnonzero(self.truth.any(axis=0) & ~self._said.any(axis=0)).tolist())

    @property
    def guessed(self) -> tuple[float, float]:
        """What guessing reaches on these images: the mean `map`, and the one that 97.5 % of all guesses stay below.

        A guess is these same answers, dealt to the images at random. Few images make it far better than the share of
        images that show a class: of one image among sixteen, a random order finds 21 %.
        """
        dealt = max(20, min(RESAMPLES, RESAMPLED // self.truth.size))
        random = np.random.default_rng(0)
        found = [
            mean_average_precision(self.truth[random.permutation(self.images)], self.probabilities)[0]
            for _ in range(dealt)
        ]
        return float(np.nan_to_num(np.mean(found))), float(np.nan_to_num(np.percentile(found, 97.5)))

    def to_json(self) -> dict[str, Any]:
        return {"images": self.images, "map": self.map, "f1": self.f1, "exact": self.exact}

    @property
    def _said(self) -> NDArray[np.bool_]:
        return self.probabilities >= THRESHOLD

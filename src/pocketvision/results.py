"""What a network answers for one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pocketvision.finite import require_finite_answers
from pocketvision.units import percent


class Answer(NamedTuple):
    """One class and its probability; `index` is its place among the network's outputs."""

    index: int  # type: ignore[assignment]  # instead of tuple's method of that name
    name: str
    probability: float


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of a network: one probability for each class; `image` is the image's name, if it has one.

    `threshold` is the probability below which the network's answers had better not be used, as its file says; None when
    it says nothing of the kind.
    """

    probabilities: NDArray[np.float32]  # one per class; summing to 1 in "classify", each for itself in "multilabel"
    classes: tuple[str, ...]
    image: str = ""
    threshold: float | None = None
    task: str = "classify"

    def __post_init__(self) -> None:
        require_finite_answers(np.asarray(self.probabilities)[None], self.image or "an image")

    @property
    def best(self) -> Answer:
        """The most probable class."""
        return self.top(1)[0]

    @property
    def index(self) -> int:
        """Of the most probable class, its place among the network's outputs."""
        return self.best.index

    @property
    def name(self) -> str:
        """Of the most probable class, its name."""
        return self.best.name

    @property
    def probability(self) -> float:
        """Of the most probable class, its probability."""
        return self.best.probability

    @property
    def unsure(self) -> bool:
        """Is the best answer less probable than the threshold?"""
        return self.threshold is not None and float(self.probabilities.max()) < self.threshold

    def top(self, k: int = 5) -> list[Answer]:
        """The `k` most probable classes, best first: (index, name, probability). Fewer when there are fewer classes."""
        best = np.argsort(-self.probabilities, kind="stable")[: max(0, k)]
        return [Answer(int(index), self.classes[index], float(self.probabilities[index])) for index in best]

    def labels(self, threshold: float = 0.5) -> list[Answer]:
        """All classes with at least the probability `threshold`, best first, as in `top`; perhaps none."""
        return [entry for entry in self.top(len(self.classes)) if entry.probability >= threshold]

    def to_json(self, k: int = 5) -> dict[str, Any]:
        """`{image, unsure, top: [{index, name, probability}]}` with the `k` best; in "multilabel" `labels` too."""
        several = {"labels": [entry._asdict() for entry in self.labels()]} if self.task == "multilabel" else {}
        top = [entry._asdict() for entry in self.top(k)]
        return {"image": self.image, "unsure": self.unsure, "top": top, **several}

    def __repr__(self) -> str:
        answers = ", ".join(f"{name} {percent(probability)}" for _, name, probability in self.top(3))
        return f"<Result {self.image + ': ' if self.image else ''}{answers}{', unsure' if self.unsure else ''}>"

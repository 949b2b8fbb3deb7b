"""What held-out images prove of a network: is it better than guessing, and than always giving the same answer?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pocketvision.evaluation import Evaluation
from pocketvision.report.text import percent, percent_interval
from pocketvision.scores import MultilabelEvaluation

UNEVEN = 2.0  # times as many images in the largest class as in the smallest: then each class counts alike
TOLERATED = 0.05  # of the classes: a few of many may never be the answer
FEW = 100  # held-out images; below, the interval of a middling accuracy is about 10 points wide on either side
CARRY = 50  # held-out images; with fewer no choice is made on them, and nothing is calibrated
NAMED = 5  # classes in a sentence

FIGURES = {"top1": "accuracy", "balanced_top1": "balanced accuracy", "map": "mean average precision"}


@dataclass(frozen=True)
class Judgement:
    """`value` and its 95 % `interval` of the `metric` that decides, beside what a network reaches that sees nothing.

    `baseline` is what guessing reaches on average, and giving every image the largest class; `lucky`, what 97.5 % of
    all guesses stay below. `never` are the indices of classes that are never the answer, of `classes` in all.
    """

    metric: str  # top1; balanced_top1 where classes are uneven; map where an image may have several
    value: float
    interval: tuple[float, float]
    baseline: float
    lucky: float
    images: int
    classes: int
    never: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Judgement:
        low, high = content["interval"]
        return cls(**{**content, "interval": (low, high), "never": tuple(content["never"])})

    @property
    def is_clear(self) -> bool:
        """Is it better than guessing, and than one answer for all, beyond chance?"""
        return self.interval[0] > self.baseline and self.value > self.lucky

    @property
    def is_undecided(self) -> bool:
        """Are the images too few to tell a network that has learned something from one that has not?"""
        return not self.is_clear and self.images < FEW and self.value > self.baseline

    @property
    def wrong_too_often(self) -> bool:
        """Is it wrong more often than right?"""
        return self.metric != "map" and self.value <= 0.5

    @property
    def leaves_out(self) -> bool:
        """Are there more classes that it never answers than may happen?"""
        return len(self.never) > TOLERATED * self.classes


def judge(result: Evaluation | MultilabelEvaluation) -> Judgement:
    """What the answers of `result` prove."""
    if isinstance(result, MultilabelEvaluation):
        mean, lucky = result.guessed
        classes = result.truth.shape[1]
        return Judgement("map", result.map, result.interval, mean, lucky, result.images, classes, result.never_answered)
    counts = result.counts[result.counts > 0]
    even = counts.max() <= UNEVEN * counts.min()
    value, interval = (result.top1, result.interval) if even else (result.balanced_top1, result.balanced_interval)
    # Guessing gives 1 / classes of either; one class for all images its own share, of the balanced accuracy the same.
    baseline = float(counts.max() / counts.sum()) if even else 1 / len(counts)
    metric = "top1" if even else "balanced_top1"
    classes = len(result.counts)
    return Judgement(metric, value, interval, baseline, baseline, result.images, classes, result.never_answered)


def shortfalls(found: Judgement, names: Sequence[str]) -> list[str]:
    """What keeps the accuracy from being of use, the worst first, each in a sentence without its full stop."""
    said = []
    figure = f"{FIGURES[found.metric]} {percent(found.value)}"
    between = percent_interval(found.interval)
    if found.is_undecided:
        said.append(
            f"{found.images} held-out images are too few to tell it from guessing: {figure}, {between}, where "
            f"{_nothing(found)}"
        )
    elif not found.is_clear:
        said.append(f"it is no better than guessing: {figure}, {between}, where {_nothing(found)}")
    if found.leaves_out:
        said.append(never_sentence(found.never, names))
    if found.is_clear and found.wrong_too_often:
        said.append(f"it is wrong more often than right: {figure}")
    return said


def never_sentence(never: Sequence[int], names: Sequence[str]) -> str:
    """`it never answers "rare"`; of many classes the first few are named."""
    quoted = ", ".join(f'"{names[index]}"' for index in never[:NAMED])
    if len(never) <= NAMED:
        return f"it never answers {quoted}"
    return f"it never answers {len(never)} of its {len(names)} classes ({quoted}, ...)"


def _nothing(found: Judgement) -> str:
    if found.metric == "map":
        return f"guessing reaches up to {percent(found.lucky)}"
    return f"one answer for every image reaches {percent(found.baseline)}"


def figures(result: Evaluation | MultilabelEvaluation, found: Judgement, names: Sequence[str]) -> dict[str, Any]:
    """What the verdict in report.json says besides the plain accuracy: {judged_by, baseline_top1, ...}."""
    common = {"judged_by": found.metric, "never_answered": [names[index] for index in found.never]}
    if isinstance(result, MultilabelEvaluation):
        return {**common, "baseline_map": found.lucky}
    return {
        **common,
        "baseline_top1": float(result.counts.max() / result.images),
        "balanced_top1": result.balanced_top1,
        "balanced_top1_interval": list(result.balanced_interval),
    }

"""Accuracy that a network had on the validation split in training, and lost on its way to the file that ships."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pocketvision.evaluation import Evaluation, wilson
from pocketvision.report.text import percent
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.history import History


@dataclass(frozen=True)
class Lost:
    """`before`: the score on the validation split at the end of training; `after`: that of what ships."""

    metric: str  # top1 or map
    before: float
    after: float
    trained_resolution: int
    resolution: int
    fine_tuned: bool  # was it trained further at the size that ships?
    needed_ms: float | None = None  # what the size of training needed at most, where it was given up for the budget

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        """In words, without a full stop."""
        said = (
            f"accuracy was lost after training: {percent(self.before)} on the val split when training ended, "
            f"{percent(self.after)} as it ships"
        )
        if self.resolution == self.trained_resolution:
            return said
        trained = " and was trained further at that size" if self.fine_tuned else ""
        return f"{said}, at {self.resolution} px instead of {self.trained_resolution} px to keep the budget{trained}"


def validated(history: History, metric: str) -> float | None:
    """The score on the validation split of the epoch that is kept; None when none was validated."""
    epochs = [row for row in history.epochs if row.get(f"val_{metric}") is not None]
    if history.recipe.patience and history.best_epoch:
        epochs = [row for row in epochs if row["epoch"] == history.best_epoch]
    return epochs[-1][f"val_{metric}"] if epochs else None


def is_far_below(result: Evaluation | MultilabelEvaluation, before: float | None) -> bool:
    """Is the score worse than it was `before` on the same images, beyond the noise of so few?"""
    if before is None:
        return False
    if isinstance(result, MultilabelEvaluation):
        low, high = result.interval
        return result.value < before - (high - low) / 2
    return result.value < wilson(before, result.images)[0]

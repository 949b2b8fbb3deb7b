"""How a run spends its time: how many epochs, at which resolutions, and how often it validates."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from pocketvision.training.recipe import Recipe

VALIDATION_SHARE = 0.12  # of the training time: validate every epoch only when that costs less
SPENT = 0.95  # of the time given: what is planned at first
GROWN = 2 / 3  # of the run: by then a progressive resolution is the full one
STEP = 16  # px between two resolutions of a progressive run


@dataclass(frozen=True)
class Plan:
    """Epochs `first`..`total`, of which those before `first` belong to an earlier, finished run.

    `epoch_seconds` is what an epoch at full resolution takes, `validation_seconds` what one validation takes.
    """

    total: int
    validate_every: int
    epoch_seconds: float
    validation_seconds: float
    first: int = 0
    begun: float = 0.0  # seconds that the epochs before `first` took

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def progress(self, epoch: float) -> float:
        """0..1 through the run."""
        return (epoch - self.first) / (self.total - self.first)

    def validates(self, epoch: int) -> bool:
        """Is there a validation after `epoch` (counted from 0)? After the last there always is."""
        return (epoch + 1 - self.first) % self.validate_every == 0 or epoch + 1 == self.total

    def seconds(self, recipe: Recipe, until: int | None = None) -> float:
        """What the plan is expected to take, up to epoch `until` (None: the last)."""
        done = (self.total if until is None else until) - self.first
        shares = (_share(recipe, epoch / (self.total - self.first)) ** 2 for epoch in range(done))
        return self.epoch_seconds * sum(shares) + self.validation_seconds * done / self.validate_every


@dataclass(frozen=True)
class More:
    """A finished run of `after_epoch` epochs is to be trained `seconds` longer."""

    seconds: float
    after_epoch: int


def plan(
    recipe: Recipe,
    epoch_seconds: float,
    validation_seconds: float,
    seconds: float | None,
    first: int = 0,
    begun: float = 0.0,
) -> Plan:
    """The recipe's epochs, or as many as `seconds` allow; at least one."""
    every = max(1, math.ceil(validation_seconds / (VALIDATION_SHARE * epoch_seconds)))
    planned = Plan(first + recipe.epochs, every, epoch_seconds, validation_seconds, first, begun)
    return _affordable(planned, recipe, SPENT * seconds) if seconds else planned


def replan(planned: Plan, recipe: Recipe, spent: float, limit: float | None, epoch: int) -> Plan:
    """After `epoch` epochs and `spent` seconds in all: fewer epochs when the machine is slower than was measured.

    And more, up to the recipe's, when it is faster, in the first half of the run: later the cosine would jump.
    """
    if limit is None or epoch >= planned.total:
        return planned
    pace = (spent - planned.begun) / planned.seconds(recipe, epoch)
    early = epoch - planned.first <= (planned.total - planned.first) / 2
    most = replace(planned, total=planned.first + recipe.epochs if early else planned.total)
    changed = _affordable(most, recipe, limit / pace)
    return changed if changed.total >= epoch else replace(planned, total=epoch)


def _affordable(planned: Plan, recipe: Recipe, seconds: float) -> Plan:
    while planned.total > planned.first + 1 and (over := planned.seconds(recipe) / seconds) > 1:
        epochs = planned.total - planned.first
        planned = replace(planned, total=planned.first + max(1, min(epochs - 1, int(epochs / over))))
    return planned


def side(recipe: Recipe, full: tuple[int, int], progress: float) -> tuple[int, int]:
    """Height and width that a training image has at `progress` through the run; steps of 16 px on the way."""
    share = _share(recipe, progress)
    if share == 1:
        return full
    height, width = (min(edge, max(STEP, round(edge * share / STEP) * STEP)) for edge in full)
    return height, width


def _share(recipe: Recipe, progress: float) -> float:
    return min(1.0, recipe.progressive + (1 - recipe.progressive) * progress / GROWN)

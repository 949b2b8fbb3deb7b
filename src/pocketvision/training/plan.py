"""How a run spends its time: how many steps, at which resolutions, and how often it validates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from pocketvision.training.recipe import Recipe

VALIDATION_SHARE = 0.12  # of the training time: validate every epoch only when that costs less
VALIDATION_MOST = 0.15  # of the time given, for one validation: where all images take longer, it looks at fewer
SPENT = 0.97  # of the time given: what is planned
GROWN = 2 / 3  # of the run: by then a progressive resolution is the full one
STEP = 16  # px between two resolutions of a progressive run
CLOSE = 0.02  # of the remaining steps: a plan that is off by less stays as it is


@dataclass(frozen=True)
class Plan:
    """`total` steps of the optimiser, `epoch_steps` to an epoch; the last epoch may end early.

    `first` is the number of epochs of an earlier, finished run, after which the plan begins, `begun` the seconds that
    they took. `step_seconds` is what a step at full resolution takes, `validation_seconds` what one validation takes.
    The schedule rises to `anchor_progress` at step `anchor` and from there evenly to 1 at the last step. `horizon` is
    `total` as it was planned at first: averages over a share of the run stay with it.
    """

    total: int
    epoch_steps: int
    validate_every: int  # epochs
    step_seconds: float
    validation_seconds: float
    horizon: int
    first: int = 0
    begun: float = 0.0
    anchor: int = 0
    anchor_progress: float = 0.0
    validated: int = 0  # images that a validation looks at; 0: all

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def epochs(self) -> float:
        """Epochs at the end of the plan, those before it included."""
        return self.first + self.total / self.epoch_steps

    def steps_before(self, epoch: int) -> int:
        """Steps of the plan that lie before `epoch` (counted from 0)."""
        return (epoch - self.first) * self.epoch_steps

    def most(self, recipe: Recipe, passes: float | None) -> int:
        """Steps that the recipe has, or `passes` over the images: however fast the machine is, no more."""
        return max(1, round(self.epoch_steps * (recipe.epochs if passes is None else passes)))

    def progress(self, step: int) -> float:
        """0..1 through the run after `step` steps."""
        rest = (step - self.anchor) / max(1, self.total - self.anchor)
        return min(1.0, self.anchor_progress + (1 - self.anchor_progress) * rest)

    def validates(self, epoch: int) -> bool:
        """Is there a validation after `epoch` (counted from 0)? After the last step there always is."""
        return (epoch + 1 - self.first) % self.validate_every == 0 or self.steps_before(epoch + 1) >= self.total

    def seconds(self, recipe: Recipe, step: int = 0) -> float:
        """What the plan is expected to take from `step` on."""
        left = self.total - step
        validations = 1 + max(0, math.ceil(self.total / self.epoch_steps / self.validate_every) - 1)
        validations -= step // (self.epoch_steps * self.validate_every)
        return left * self.step_seconds * _cost(recipe, self.progress(step)) + validations * self.validation_seconds


@dataclass(frozen=True)
class More:
    """A finished run of `after_epoch` epochs is to be trained `seconds` longer."""

    seconds: float
    after_epoch: int


def plan(
    recipe: Recipe,
    epoch_steps: int,
    step_seconds: float,
    validation_seconds: float,
    seconds: float | None,
    first: int = 0,
    begun: float = 0.0,
    passes: float | None = None,
    val_images: int = 0,
) -> Plan:
    """The recipe's epochs (or `passes` over the images), or as much of them as `seconds` from now on allow.

    One step at least, and one validation, of fewer than all `val_images` where those take too long.
    """
    validated, most = 0, None if seconds is None else VALIDATION_MOST * max(0.0, seconds)
    if most is not None and validation_seconds > most and val_images:
        validated = max(1, int(val_images * most / validation_seconds))
        validation_seconds *= validated / val_images
    every = max(1, math.ceil(validation_seconds / (VALIDATION_SHARE * epoch_steps * step_seconds)))
    planned = Plan(1, epoch_steps, every, step_seconds, validation_seconds, 1, first, begun)
    total = planned.most(recipe, passes)
    if seconds is not None:
        total = min(total, _affordable(planned, recipe, 0, SPENT * seconds))
    return replace(planned, total=total, horizon=total, validated=validated)


def replan(planned: Plan, recipe: Recipe, step: int, left: float, limit: float, step_seconds: float, most: int) -> Plan:
    """The plan after `step` steps, with `left` of `limit` seconds, when a step takes `step_seconds` at full resolution.

    Fewer steps when the machine is slower than was planned, more (up to `most` in all) when it is faster. The schedule
    goes on from where it stands and still reaches its end with the last step, so that no rate jumps.
    """
    now = replace(planned, step_seconds=step_seconds)
    total = min(most, step + _affordable(now, recipe, step, left - (1 - SPENT) * limit))
    if abs(total - planned.total) <= CLOSE * (planned.total - step):
        return planned
    return replace(now, total=total, anchor=step, anchor_progress=planned.progress(step))


def _affordable(planned: Plan, recipe: Recipe, step: int, seconds: float) -> int:
    """Steps from `step` on that fit into `seconds`, with their validations; none when only the last one fits."""
    each = planned.step_seconds * _cost(recipe, planned.progress(step))
    each += planned.validation_seconds / (planned.epoch_steps * planned.validate_every)
    return max(1 if step == 0 else 0, int((seconds - planned.validation_seconds) / each))


def side(recipe: Recipe, full: tuple[int, int], progress: float) -> tuple[int, int]:
    """Height and width that a training image has at `progress` through the run; steps of 16 px on the way."""
    share = size_share(recipe, progress)
    if share == 1:
        return full
    height, width = (min(edge, max(STEP, round(edge * share / STEP) * STEP)) for edge in full)
    return height, width


def sides(recipe: Recipe, full: tuple[int, int], planned: Callable[[], Plan]) -> Callable[[int, int], tuple[int, int]]:
    """(epoch, step within it) -> the images' height and width, by the plan as it is when asked."""

    def of(epoch: int, step: int) -> tuple[int, int]:
        now = planned()
        return side(recipe, full, now.progress(now.steps_before(epoch) + step))

    return of


def size_share(recipe: Recipe, progress: float) -> float:
    """Side of a training image as a share of the full one."""
    return min(1.0, recipe.progressive + (1 - recipe.progressive) * progress / GROWN)


def _cost(recipe: Recipe, progress: float) -> float:
    """Mean cost of a step from `progress` to the end, where one at full resolution costs 1."""
    points = [progress + (1 - progress) * (i + 0.5) / 20 for i in range(20)]
    return sum(size_share(recipe, point) ** 2 for point in points) / len(points)

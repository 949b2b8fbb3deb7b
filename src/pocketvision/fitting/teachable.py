"""Which of the networks that keep the budget the time can train: by the steps of the optimiser that it affords.

A network from scratch answers at random for its first hundred steps or so, whatever accuracy it reached in the million
of its publication. So a large network that is shown a few batches is no choice. How many steps a candidate gets is
measured on this machine, as busy as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pocketvision.fitting.candidates import Candidate
from pocketvision.training.recipe import Recipe
from pocketvision.units import counted

LEAST_STEPS = 200  # from scratch; with more, the preferred network is taken
LEAST_FINE_TUNING = 20  # steps from pretrained weights, in which the classifier alone is new
HALF = 200  # steps after which a network from scratch has learned half of what it can (a judgement from experiments)
SCALING = 0.7  # the power of multiply-adds that time per image follows in training
SMALLEST_BATCH = 16  # images: BatchNorm needs some
PROBES = 4  # networks whose training speed is measured at most
SPENT = 0.9  # of the time: validations and the start take the rest


@dataclass(frozen=True)
class Teachable:
    """The network that the time teaches most, and the steps that each measured one would get."""

    best: Candidate
    steps: dict[Candidate, int]

    def reason(self, first: Candidate) -> str:
        """Why it is not `first`, which published accuracy prefers, in words."""
        return (
            f"{first.name} would be trained for {counted(self.steps[first], 'step')} in this time, too few to "
            "learn much; "
            f"{self.best.name} for {self.steps[self.best]}, so it is trained instead."
        )


def steps_in(seconds: float, speed: float, recipe: Recipe, images: int) -> int:
    """Steps of the optimiser that `seconds` of training at `speed` images a second afford; at most the recipe's."""
    batch = min(recipe.batch, images)
    return min(int(SPENT * seconds * speed / batch), recipe.epochs * math.ceil(images / batch))


def in_a_hurry(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with smaller batches where it gets too few steps: as many images are then good for more of them.

    Digits in 7 s of a core: 62 % in batches of 64, 87 % in batches of 16.
    """
    batch = recipe.batch
    while steps < LEAST_STEPS and batch > SMALLEST_BATCH:
        batch, steps = batch // 2, 2 * steps
    return replace(recipe, batch=batch)


def teachable(first: Candidate, others: Sequence[Candidate], steps: Callable[[Candidate], int]) -> Teachable:
    """`first` if the time teaches it; else whichever of it and of `others`, which keep the budget too, learns most.

    That is the published accuracy times the share of it that so many steps are good for. `steps` measures what the
    time affords a candidate; of those that were not measured it is estimated from the nearest that was.
    """
    known = {first: steps(first)}
    if known[first] >= (LEAST_FINE_TUNING if first.pretrained else LEAST_STEPS):
        return Teachable(first, known)
    pool = [first, *(c for c in others if c.pretrained == first.pretrained and c.macs < first.macs)]

    def learned(candidate: Candidate) -> tuple[float, int]:
        got = known[candidate] if candidate in known else expected_steps(candidate, known)
        half = HALF * LEAST_FINE_TUNING / LEAST_STEPS if candidate.pretrained else HALF
        return candidate.score * got / (got + half), -candidate.macs

    while (best := max(pool, key=learned)) not in known and len(known) < PROBES:
        known[best] = steps(best)
    return Teachable(max(known, key=learned), known)


def expected_steps(candidate: Candidate, known: dict[Candidate, int]) -> float:
    """Steps of a candidate from those of the nearest one measured: as many times more as it has fewer multiply-adds.

    Nearly: what a step costs besides them does not shrink.
    """
    nearest = min(known, key=lambda c: abs(math.log(c.macs / candidate.macs)))
    ratio = nearest.macs / candidate.macs
    return known[nearest] * (ratio**SCALING if ratio > 1 else ratio)

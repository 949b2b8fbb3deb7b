"""What a measured ratio proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean, median
from typing import Literal

from pocketvision.measure.latency import CONFIDENCE, median_interval

Verdict = Literal["holds", "does not hold", "borderline", "undecided", "not measured"]

BAND = 0.05  # an effect below this is none: nobody changes a network for it
# What differs between two runs and not between the batches of one: where a process's memory lies, how a core boosts.
SHAKE = 0.01

HOLDS_ABOVE, FAILS_BELOW = 1 + BAND + SHAKE, 1 + BAND - SHAKE
BORDER = (1 + BAND - 2 * SHAKE, 1 + BAND + 2 * SHAKE)

# Looking again until something is decided finds more than 5 % of wrong decisions with 95 % intervals. So there are
# three looks at most, after so many batches, and the chances of an error at each add up to 5 % (Bonferroni). 7 batches
# are the fewest whose range is an interval at that level: 2 * (1/2)^7 is 1.6 %.
LOOKS = (7, 14, 21)
LEVEL = 1 - (1 - CONFIDENCE) / len(LOOKS)

RULE = (
    "The rule: a guideline says that one thing takes longer than another. Both are timed in every round, in a shuffled "
    "order; the ratio of a round is the geometric mean over the table's columns. Rounds come in batches with sessions "
    "of their own; a batch counts once, by the median of its rounds. The interval of the median of the batches is from "
    f"order statistics, at {100 * LEVEL:.1f} %: up to {len(LOOKS)} looks (after {', '.join(map(str, LOOKS))} batches) "
    f"then leave {100 * CONFIDENCE:.0f} %. An effect below {100 * BAND:.0f} % counts as none, and {100 * SHAKE:.0f} % "
    "is allowed for what two runs do not share. So a guideline holds if the whole interval lies above "
    f"{HOLDS_ABOVE:.2f}, and does not hold if it lies below {FAILS_BELOW:.2f}. If it lies between {BORDER[0]:.2f} and "
    f"{BORDER[1]:.2f}, the effect is known and borderline: neither yes nor no, and more rounds would not change that. "
    "Else it is undecided. A network whose answer differs from PyTorch's is not timed."
)


@dataclass(frozen=True)
class Ratio:
    """How many times as long, with its interval at LEVEL (for fewer than 7 batches: their range, which is less)."""

    median: float
    low: float
    high: float
    batches: int


def ratio(slow: Sequence[Sequence[Sequence[float]]], fast: Sequence[Sequence[Sequence[float]]]) -> Ratio:
    """Of two lists of the same things' times: `slow[i][b][r]` is the i-th time of round r in batch b.

    Partners of one round are compared before anything is averaged: what slows a round down slows both.
    """
    batches = [
        median(
            exp(fmean(log(a / b) for a, b in zip(above, below, strict=True)))
            for above, below in zip(zip(*slow_rounds, strict=True), zip(*fast_rounds, strict=True), strict=True)
        )
        for slow_rounds, fast_rounds in zip(zip(*slow, strict=True), zip(*fast, strict=True), strict=True)
    ]
    low, high = median_interval(batches, LEVEL)
    return Ratio(median(batches), low, high, len(batches))


def verdict(found: Ratio) -> Verdict:
    """See RULE. Before the first look everything is undecided."""
    if found.batches < LOOKS[0]:
        return "undecided"
    if found.low > HOLDS_ABOVE:
        return "holds"
    if found.high < FAILS_BELOW:
        return "does not hold"
    return "borderline" if BORDER[0] <= found.low and found.high <= BORDER[1] else "undecided"

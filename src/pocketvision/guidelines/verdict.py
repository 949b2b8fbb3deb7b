"""What a measured ratio proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import fmean, median
from typing import Literal

from pocketvision.measure.latency import median_interval

Verdict = Literal["holds", "does not hold", "undecided"]

BAND = 0.05  # an effect below this is none: nobody changes a network for it
SHAKE = (
    0.01  # what differs between two runs and not between the rounds of one: where the memory lies, how a core boosts
)

HOLDS_ABOVE, FAILS_BELOW = 1 + BAND + SHAKE, 1 + BAND - SHAKE

RULE = (
    "The rule: a guideline says that one thing takes longer than another. Both are timed in every round, in a shuffled "
    "order; the ratio of a round is the geometric mean over the table's columns, and the median of the rounds has a "
    f"95 % interval from order statistics. An effect below {100 * BAND:.0f} % counts as none, and "
    f"{100 * SHAKE:.0f} % is allowed for what two runs do not share. So it holds if the whole interval lies above "
    f"{HOLDS_ABOVE:.2f}, it does not hold if the whole interval lies below {FAILS_BELOW:.2f}, and else it is undecided."
)


@dataclass(frozen=True)
class Ratio:
    """How many times as long, with its 95 % interval, over so many rounds."""

    median: float
    low: float
    high: float
    rounds: int


def ratio(slow: Sequence[Sequence[float]], fast: Sequence[Sequence[float]]) -> Ratio:
    """Of two lists of the same things' times, round by round: `slow[i][r]` is the i-th time of round r.

    Partners of one round are compared before anything is averaged: what slows a round down slows both.
    """
    rounds = [
        exp(fmean(log(a / b) for a, b in zip(above, below, strict=True)))
        for above, below in zip(zip(*slow, strict=True), zip(*fast, strict=True), strict=True)
    ]
    low, high = median_interval(rounds)
    return Ratio(median(rounds), low, high, len(rounds))


def verdict(found: Ratio) -> Verdict:
    """See RULE."""
    if found.low > HOLDS_ABOVE:
        return "holds"
    return "does not hold" if found.high < FAILS_BELOW else "undecided"

"""The rules by which numbers decide over a claim, and what a claim is. Nothing here measures anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["reproduced", "refuted", "mixed"]
Interval = Sequence[float]


@dataclass(frozen=True)
class Claim:
    """One line of the page: who said what, the rule of its verdict, and how a stage's result becomes words."""

    title: str
    said_by: str
    stage: str
    rule: str
    judge: Callable[[dict[str, Any]], tuple[Verdict, str]]  # -> the verdict, and what was measured in a few words
    numbers: Callable[[dict[str, Any]], str]  # -> the section's tables, as Markdown


def all_or_none(found: Sequence[bool]) -> Verdict:
    """All of the parts hold: reproduced; none: refuted; some: mixed."""
    return "reproduced" if all(found) else "mixed" if any(found) else "refuted"


def near(pairs: Sequence[tuple[float, float]], tolerance: float) -> Verdict:
    """Each (measured, claimed) differs by at most this share of the claimed."""
    return all_or_none([abs(measured - claimed) <= tolerance * claimed for measured, claimed in pairs])


def above(interval: Interval, limit: float = 0.0) -> Verdict:
    """The whole interval above the limit: reproduced; below it: refuted; on both sides: mixed."""
    low, high = interval
    return "reproduced" if low > limit else "refuted" if high < limit else "mixed"


def below(interval: Interval, limit: float) -> Verdict:
    """The whole interval below the limit: reproduced; above it: refuted; on both sides: mixed."""
    return above([-interval[1], -interval[0]], -limit)


def faster_by(claimed: float, ratio: float, interval: Interval) -> Verdict:
    """A network takes `ratio` of another's time, and was said to take `claimed` (0.85: 15 % less).

    Reproduced: surely faster, and by at least half of what was claimed. Refuted: not surely faster, and by less than
    half. Mixed: the rest.
    """
    surely, enough = interval[1] < 1, 1 - ratio >= (1 - claimed) / 2
    return all_or_none([surely, enough])


def share_of(claimed: float, measured: float) -> Verdict:
    """A gain of `measured` times where `claimed` times was promised: 80 % of it is reproduced, below 50 % refuted."""
    return "reproduced" if measured >= 0.8 * claimed else "refuted" if measured < 0.5 * claimed else "mixed"


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict that all parts share; else mixed."""
    return verdicts[0] if len(set(verdicts)) == 1 else "mixed"

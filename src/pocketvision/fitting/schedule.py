"""How long a whole job takes: announced from speeds measured now, kept by ceilings, and said anew when it gets late.

`--time` bounds the training. The steps before and after it have ceilings of their own, and do less where the machine
gives less; only what a verdict needs (an export, its check, its timing) is always done in full.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pocketvision.progress import duration, say

TIMING, TRAINING, CHECKING = "timing", "training", "checking"
CHOOSING = 120.0  # s: the ceiling of timing candidates
WORK = 12.0  # CPU seconds of checking: export, timing the file, profile, report; measured on a 2 GHz core
PASSES = 12  # times that a held-out image is answered while checking: crops, sizes, calibration, the comparison
SLOWER = 1.5  # times the latency: one answer in PyTorch, in batches, reading the image included
SPIN = 0.3  # s of looking how much of a core this process gets
LATE = 0.2  # of what was announced: a change that is worth a sentence
LEAST_LATE = 30.0  # s: and not below


def core_share(seconds: float = SPIN) -> float:
    """How much of a core this thread gets at the moment, 0..1: it works for `seconds` and sees how long it ran."""
    began, ran = time.perf_counter(), time.thread_time()
    while time.perf_counter() - began < seconds:
        pass
    return min(1.0, max(0.01, (time.thread_time() - ran) / (time.perf_counter() - began)))


def checking_seconds(held_out: int, latency_ms: float, share: float) -> float:
    """What the steps after the training take, with so many held-out images and such a share of a core."""
    return (WORK + PASSES * min(held_out, 5000) * SLOWER * latency_ms / 1000) / share


@dataclass
class Schedule:
    """What each step is expected to take, in seconds, and what it took. `at_most`: steps with an upper bound alone."""

    show: bool = True
    clock: Callable[[], float] = time.monotonic
    expected: dict[str, float] = field(default_factory=dict)
    at_most: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.announced: float | None = None  # seconds from the beginning to the end
        self.said: float | None = None  # the same, as last corrected
        self.over: set[str] = set()
        self.took: dict[str, float] = {}

    def plan(self, step: str, seconds: float, at_most: bool = False) -> None:
        """A step is expected to take `seconds`, or `at_most` those."""
        self.expected[step] = seconds
        self.at_most.discard(step)
        if at_most:
            self.at_most.add(step)

    def end(self, step: str) -> None:
        """A step is over: what is left is that of the others."""
        now = self.clock()
        self.took[step] = now - self.began - sum(self.took.values())
        self.over.add(step)

    @property
    def left(self) -> float:
        """Seconds that the steps which are not over are expected to take."""
        return sum(seconds for step, seconds in self.expected.items() if step not in self.over)

    def announce(self) -> None:
        """Say what the whole job takes, step by step."""
        self.announced = self.said = self.clock() - self.began + self.left
        parts = ", ".join(self._part(step) for step in self.expected)
        bound = "at most about" if self.at_most & (self.expected.keys() - self.over) else "about"
        if self.show:
            say(f"{bound} {duration(_rounded(self.said))} in all: {parts}")

    def look(self, why_late: str = "the machine is busier") -> None:
        """Say it when the end is now expected at quite another time than was announced; `why_late` it is later."""
        if self.said is None:
            return
        now = self.clock() - self.began + self.left
        changed = now - self.said
        if abs(changed) < max(LEAST_LATE, LATE * self.said):
            return
        text = f"{duration(_rounded(abs(changed)))} {'later' if changed > 0 else 'earlier'} than announced"
        why = f": {why_late}" if changed > 0 else ""
        self.said = now
        if self.show:
            say(f"now {text}{why} (about {duration(_rounded(self.left))} left)")

    def to_json(self) -> dict[str, Any]:
        """{announced, seconds, steps}: announced in all, gone by now, and taken by each step that is over."""
        return {"announced": self.announced, "seconds": self.clock() - self.began, "steps": self.took}

    def _part(self, step: str) -> str:
        bound = "up to " if step in self.at_most else ""
        return f"{bound}{duration(_rounded(self.expected[step]))} {step}"


def _rounded(seconds: float) -> float:
    """To what can be said beforehand: 10 s below two minutes, half a minute below ten, then minutes."""
    unit = 10 if seconds < 120 else 30 if seconds < 600 else 60
    return max(unit, unit * math.floor(seconds / unit + 0.5))

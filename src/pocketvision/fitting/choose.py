"""Choosing: time what brackets the budget on the device, keep what fits, take the most accurate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pocketvision.errors import InputError
from pocketvision.fitting.budget import HEADROOM
from pocketvision.fitting.candidates import Candidate, largest_that_fits, lines, predict_ms
from pocketvision.fitting.clock import Look, where
from pocketvision.fitting.timer import LONG as LONG
from pocketvision.fitting.timer import SHORT, Timer
from pocketvision.progress import Steps
from pocketvision.units import counted, percent

FINALISTS = 3
MISSES = 2  # sizes that must miss before the climb ends: 96 px can be as fast as 88, it halves evenly


@dataclass
class Looks:
    """The measurements of a choice: what a bar says of them, and when there is no more time for them.

    `told` hears after each how many seconds they are still expected to take.
    """

    timer: Timer
    limit_ms: float
    seconds: float
    steps: Steps
    ahead: int  # measurements expected in lines that were not begun, and of the decision
    told: Callable[[float], object]
    here: int = 0  # expected in the line that is begun
    done: int = 0
    left_out: int = 0  # candidates that there was no time for
    began: float = field(default_factory=time.monotonic)

    def begin(self, expected: int) -> None:
        """A line begins, in which so many measurements were expected."""
        self.ahead, self.here = self.ahead - expected, expected

    def take(self, candidates: Sequence[Candidate], look: Look) -> None:
        """Time candidates against each other."""
        self.timer.time(candidates, look)
        self.done += 1
        self.here = max(1, self.here - 1)  # whoever asks once may ask again: the bar is not full before the end
        ms = self.timer.known[candidates[0]].median_ms
        self.steps.done(self.done, f"{candidates[0].name} {ms:.2f} ms", total=self.total)
        self.told((self.total - self.done) * self.each)

    @property
    def each(self) -> float:
        """Seconds of a measurement, on average."""
        return max(time.monotonic() - self.began, 1e-9) / max(1, self.done)

    @property
    def total(self) -> int:
        """Measurements in all, as expected now: no more than there is time for, and one more than are done."""
        return max(self.done + 1, int(min(self.done + self.here + self.ahead, self.seconds / self.each)))

    @property
    def out_of_time(self) -> bool:
        """Is the time up, and something known that keeps the budget?"""
        return time.monotonic() - self.began > self.seconds and any(map(self.fits, self.timer.known))

    def fits(self, candidate: Candidate) -> bool:
        """Does a timed candidate keep the limit?"""
        return self.timer.known[candidate].high_ms <= self.limit_ms

    def check(self, candidate: Candidate, look: Look = SHORT) -> bool:
        """Time a candidate: does it keep the limit? When the time is up, nothing more does."""
        if self.out_of_time:
            self.left_out += candidate not in self.timer.known
            return candidate in self.timer.known and self.fits(candidate)
        self.take([candidate], look)
        return self.fits(candidate)


def expected_looks(line: Sequence[Candidate]) -> int:
    """Measurements that a line takes: its bisection, and the climb after it."""
    return math.ceil(math.log2(len(line) + 1)) + MISSES


def choose(
    candidates: list[Candidate],
    budget_ms: float,
    timer: Timer,
    show: bool = True,
    seconds: float = math.inf,
    told: Callable[[float], object] = lambda left: None,
) -> list[Candidate]:
    """The best candidate inside the budget, and after it the best of other lines: pretrained weights first, then
    published accuracy.

    After `seconds` only what is known is chosen from, once anything keeps the budget. `told` as in `Looks`. InputError,
    with what the fastest one needs, when nothing fits.
    """
    groups = sorted(lines(candidates), key=lambda line: max(map(preference, line)), reverse=True)
    ahead = sum(map(expected_looks, groups)) + 1 + MISSES
    best: list[Candidate] = []
    with Steps("timing candidates", ahead, show) as steps:
        looks = Looks(timer, timer.headroom * budget_ms, seconds, steps, ahead, told)
        for line in groups:
            looks.begin(expected_looks(line))
            if looks.out_of_time:
                looks.left_out += len(line)
                continue
            if found := largest_that_fits(line, looks.check):
                best.append(climbed(line, found, looks.check))
        looks.begin(1 + MISSES)
        chosen = _settle(best, groups, looks)
    timer.left_out = looks.left_out
    if chosen:
        others = [c for c in best if looks.fits(c) and (c.pretrained, c.family) != (chosen.pretrained, chosen.family)]
        return [chosen, *sorted(others, key=preference, reverse=True)]
    fastest = min(timer.known, key=lambda c: timer.known[c].median_ms)
    needs = timer.known[fastest]
    threads = counted(timer.threads, "thread")
    raise InputError(
        f"nothing fits {budget_ms:g} ms in {timer.runtime} with {threads} on {where(timer.clock)}: "
        f"the fastest candidate, {fastest.name}, needs {needs.median_ms:.3g} ms; "
        f"give {needs.high_ms / timer.headroom * 1.05:.2g}ms or more"
    )


def preference(candidate: Candidate) -> tuple[bool, float]:
    """What is preferred has the larger one."""
    return candidate.pretrained, candidate.score


def _settle(best: list[Candidate], groups: list[list[Candidate]], looks: Looks) -> Candidate | None:
    """The first of `best`, one for each line, that a longer measurement together confirms.

    One that it throws out gives way to the next cheaper of its own line, so that a preferred line stays preferred. From
    the one confirmed it climbs: a busy moment during bracketing must not cost accuracy.
    """
    pool = list(best)
    while pool:
        pool.sort(key=preference, reverse=True)
        looks.take(pool[:FINALISTS], LONG)
        line = next(line for line in groups if pool[0] in line)
        place = line.index(pool[0])
        if looks.fits(pool[0]):
            return climbed(line, pool[0], lambda candidate: looks.check(candidate, LONG))
        pool[:1] = line[:place][-1:]
    return None


def climbed(line: Sequence[Candidate], start: Candidate, fits: Callable[[Candidate], bool]) -> Candidate:
    """The best above `start` in its line that fits, until MISSES in a row do not: time does not rise with each step."""
    top, misses = start, 0
    for above in line[line.index(start) + 1 :]:
        top, misses = (above, 0) if fits(above) else (top, misses + 1)
        if misses == MISSES:
            break
    return top


def explain(chosen: Candidate, candidates: list[Candidate], budget_ms: float, timer: Timer) -> str:
    """Why this one, in words."""
    timed = timer.known
    busy = f"; beside other programs only {percent(timer.headroom, 0)} of it counts"
    room = "with some headroom" + (busy if timer.headroom < HEADROOM else "")
    text = (
        f"Of {len(candidates)} candidates (families x widths x resolutions) {len(timed)} were timed on "
        f"{where(timer.clock)}, the others lie between them in multiply-adds. "
    )
    if chosen.pretrained:
        text += f"The pretrained weights given are {chosen.family} at width {chosen.width:g}, so its resolutions came "
        beyond = any(c.pretrained and c.resolution > chosen.resolution for c in candidates)
        largest = "the largest that keeps" if beyond else "the largest of them, and keeps"
        text += f"first; {chosen.resolution} px is {largest} {budget_ms:g} ms {room}"
    else:
        text += f"{chosen.name} has the best {chosen.score_source} ImageNet accuracy of those that keep "
        text += f"{budget_ms:g} ms {room}"
    above = [
        c
        for c in timed
        if c.score > chosen.score
        and c.pretrained == chosen.pretrained
        and timed[c].high_ms > timer.headroom * budget_ms
    ]
    if above:
        nearest = min(above, key=lambda c: timed[c].median_ms)
        text += f"; the next better one timed, {nearest.name}, needs up to {timed[nearest].high_ms:.2f} ms"
    if timer.left_out:
        text += f"; {timer.left_out} more were not timed, the time for it was up"
    return text + "."


def candidate_rows(
    candidates: list[Candidate], chosen: Candidate, budget_ms: float, timer: Timer
) -> list[dict[str, Any]]:
    """The `candidates` of report.json, by expected accuracy."""
    medians = {candidate: latency.median_ms for candidate, latency in timer.known.items()}
    rows = []
    for c in sorted(candidates, key=lambda c: -c.score):
        latency = timer.known.get(c)
        predicted = None if latency else predict_ms(c, medians)
        expected = latency.high_ms if latency else predicted
        rows.append(
            {
                "model": c.name,
                "family": c.family,
                "width": c.width,
                "resolution": c.resolution,
                "params": c.params,
                "macs": c.macs,
                "latency_ms": latency.median_ms if latency else None,
                "latency_interval_ms": [latency.low_ms, latency.high_ms] if latency else None,
                "predicted_ms": predicted,
                "timed": latency is not None,
                "fits": expected is not None and expected <= timer.headroom * budget_ms,
                "score": c.score,
                "score_source": c.score_source,
                "pretrained": c.pretrained,
                "chosen": c == chosen,
            }
        )
    return rows

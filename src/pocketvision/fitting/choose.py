"""Choosing: time what brackets the budget on the device, keep what fits, take the most accurate."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pocketvision.errors import InputError
from pocketvision.fitting.candidates import Candidate, largest_that_fits, lines, predict_ms
from pocketvision.fitting.clock import Clock, Here, Look, where
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.measure.settle import settled
from pocketvision.network import build
from pocketvision.progress import Steps
from pocketvision.runtimes import get_runtime

HEADROOM = 0.97  # of the budget: what ships is timed anew after training, and gives way in resolution if need be
FINALISTS = 3
MISSES = 2  # sizes that must miss before the climb ends: 96 px can be as fast as 88, it halves evenly


SHORT = Look(9, 0.10, 2.0)  # while bracketing
LONG = Look(25, 0.05, 8.0)  # before the decision, and of the file that ships


@dataclass
class Timer:
    """Times candidates in the runtime that will run them, with the real number of classes; remembers every result.

    What is in the `journal` is not timed again: a killed run goes on where it was.
    """

    classes: int
    channels: int
    runtime: str
    threads: int
    known: dict[Candidate, Latency] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal)
    clock: Clock = field(default_factory=Here)

    def time(self, candidates: Sequence[Candidate], look: Look = SHORT) -> None:
        """Export and time `candidates` together, interleaved."""
        names = ", ".join(candidate.name for candidate in candidates)
        found = self.journal.once(f"{names}: {look.rounds} rounds", lambda: self._measure(candidates, look))
        for candidate in candidates:
            latency, before = Latency(**found[candidate.name]), self.known.get(candidate)
            # Other work on the machine only ever adds time: of two looks the faster one saw the network alone.
            if before is None or latency.high_ms < before.high_ms:
                self.known[candidate] = latency

    def _measure(self, candidates: Sequence[Candidate], look: Look) -> dict[str, Any]:
        runtime = get_runtime(self.runtime)
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, candidate in enumerate(candidates):
                net = settled(build(candidate.spec(self.classes, self.channels)))
                paths.append(runtime.convert(net, Path(folder) / f"{number}.onnx"))
            found = self.clock.time(paths, self.runtime, self.threads, look)
        return {candidate.name: asdict(latency) for candidate, latency in zip(candidates, found, strict=True)}


def choose(candidates: list[Candidate], budget_ms: float, timer: Timer, show: bool = True) -> list[Candidate]:
    """The best candidate inside the budget, and after it the best of other lines: pretrained weights first, then
    published accuracy.

    InputError, with what the fastest one needs, when nothing fits.
    """
    limit = HEADROOM * budget_ms

    def fits(candidate: Candidate) -> bool:
        return timer.known[candidate].high_ms <= limit

    groups = lines(candidates)
    expected = sum(int(np.ceil(np.log2(len(line) + 1))) for line in groups)
    best: list[Candidate] = []
    with Steps("timing candidates", expected, show) as steps:
        begun = 0

        def time_and_check(candidate: Candidate) -> bool:
            nonlocal begun
            timer.time([candidate])
            begun += 1
            steps.done(min(begun, expected), f"{candidate.name} {timer.known[candidate].median_ms:.2f} ms")
            return fits(candidate)

        for line in groups:
            found = largest_that_fits(line, time_and_check)
            if found:
                best.append(climbed(line, found, time_and_check))
        chosen = _settle(best, groups, timer, fits)
    if chosen:
        others = [c for c in best if fits(c) and (c.pretrained, c.family) != (chosen.pretrained, chosen.family)]
        return [chosen, *sorted(others, key=preference, reverse=True)]
    fastest = min(timer.known, key=lambda c: timer.known[c].median_ms)
    needs = timer.known[fastest]
    raise InputError(
        f"nothing fits {budget_ms:g} ms in {timer.runtime} with {timer.threads} thread(s) on {where(timer.clock)}: the "
        f"fastest candidate, {fastest.name}, needs {needs.median_ms:.3g} ms; "
        f"give {needs.high_ms / HEADROOM * 1.05:.2g}ms or more"
    )


def preference(candidate: Candidate) -> tuple[bool, float]:
    """What is preferred has the larger one."""
    return candidate.pretrained, candidate.score


def _settle(
    best: list[Candidate], groups: list[list[Candidate]], timer: Timer, fits: Callable[[Candidate], bool]
) -> Candidate | None:
    """The first of `best`, one for each line, that a longer measurement together confirms.

    One that it throws out gives way to the next cheaper of its own line, so that a preferred line stays preferred. From
    the one confirmed it climbs: a busy moment during bracketing must not cost accuracy.
    """
    pool = list(best)
    while pool:
        pool.sort(key=preference, reverse=True)
        timer.time(pool[:FINALISTS], LONG)
        line = next(line for line in groups if pool[0] in line)
        place = line.index(pool[0])
        if not fits(pool[0]):
            pool[:1] = line[:place][-1:]
            continue

        def time_and_check(candidate: Candidate) -> bool:
            timer.time([candidate], LONG)
            return fits(candidate)

        return climbed(line, pool[0], time_and_check)
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
    text = (
        f"Of {len(candidates)} candidates (families x widths x resolutions) {len(timed)} were timed on "
        f"{where(timer.clock)}, the others lie between them in multiply-adds. "
    )
    if chosen.pretrained:
        text += f"The pretrained weights given are {chosen.family} at width {chosen.width:g}, so its resolutions came "
        text += f"first; {chosen.resolution} px is the largest that keeps {budget_ms:g} ms with some headroom"
    else:
        text += f"{chosen.name} has the best {chosen.score_source} ImageNet accuracy of those that keep "
        text += f"{budget_ms:g} ms with some headroom"
    above = [
        c
        for c in timed
        if c.score > chosen.score and c.pretrained == chosen.pretrained and timed[c].high_ms > HEADROOM * budget_ms
    ]
    if above:
        nearest = min(above, key=lambda c: timed[c].median_ms)
        text += f"; the next better one timed, {nearest.name}, needs up to {timed[nearest].high_ms:.2f} ms"
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
                "fits": expected is not None and expected <= HEADROOM * budget_ms,
                "score": c.score,
                "score_source": c.score_source,
                "pretrained": c.pretrained,
                "chosen": c == chosen,
            }
        )
    return rows

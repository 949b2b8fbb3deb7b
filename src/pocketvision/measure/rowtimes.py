"""The time of each row of a network, taken while the whole network runs: what a row costs among its neighbours.

A lone convolution pays for bringing its input into the engine's own layout, which a network pays once. So the rows are
timed where they stand: in ONNX Runtime by the profiler's event for every node, in PyTorch by hooks around every row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pocketvision.errors import InputError
from pocketvision.measure.calls import Call
from pocketvision.measure.kinds import AFTER, BEFORE
from pocketvision.measure.latency import summarise
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.quiet import Rounds, part_of
from pocketvision.runtimes import get_runtime

if TYPE_CHECKING:
    from pocketvision.measure.onnx_profile import Profile
    from pocketvision.network import Network

PIXELS = "pixels"  # the part before the first row: uint8 to floats, normalisation
HEAD = "head"
CLOCKED = ("onnxruntime", "torch")  # the runtimes in which rows can be timed
SHAKY = 0.1  # width of an interval, as a fraction of the time, from which it is worth another look
LEAST_MS = 0.02  # a wider uncertainty than this: the profiler counts microseconds, and a network has 20 rows

Run = dict[int | str, float]  # seconds of each part in one run of the network


@dataclass(frozen=True)
class RowTime:
    """One piece's time in ms, with the 95 % interval of the median, and from how many nodes of the engine's graph."""

    ms: float
    low_ms: float
    high_ms: float
    nodes: int

    @property
    def width(self) -> float:
        """Of the interval, in ms."""
        return self.high_ms - self.low_ms

    @property
    def is_shaky(self) -> bool:
        """The machine was too busy for a clear answer, and it matters."""
        return self.width > max(SHAKY * self.ms, LEAST_MS)


class Clocked(Protocol):
    """A network that notes the time of each of its parts in every run."""

    def run(self) -> object: ...
    def finish(self) -> tuple[list[Run], dict[int | str, int]]:
        """What every run took, and the nodes of each part; ends the noting."""
        ...


def open_clocked(source: Network | str | Path, runtime: str, threads: int, seed: int = 0) -> Clocked:
    """A settled Network, or its exported file, in `runtime` on random pixels. Profiles are written beside that file."""
    if runtime not in CLOCKED:
        raise InputError(f"rows cannot be timed in {runtime!r}: choose one of {', '.join(CLOCKED)}")
    if runtime == "torch":
        from pocketvision.measure.rowtimes_torch import Hooked

        return Hooked(source, threads, seed)  # type: ignore[arg-type]
    return Profiled(Path(source), threads, seed)  # type: ignore[arg-type]


def row_times(clocked: Clocked, turns: Rounds) -> dict[int | str, RowTime]:
    """The parts' times in the last turns of `clocked`, which were `turns`; the first run of each is not counted.

    In which part a run waited is not known: what its call is not counted for, its parts are not either.
    """
    runs, nodes = clocked.finish()
    timed = runs[-sum(1 + len(turn) for turn in turns) :]
    by_turn = []
    for turn in turns:
        by_turn.append(list(zip(timed[1 : 1 + len(turn)], turn, strict=True)))
        timed = timed[1 + len(turn) :]
    found = {}
    for part, count in nodes.items():
        latency = summarise([[part_of(call, run.get(part, 0.0)) for run, call in turn] for turn in by_turn])
        found[part] = RowTime(latency.median_ms, latency.low_ms, latency.high_ms, count)
    return found


class Profiled:
    """Profiled from the start; ONNX Runtime keeps the events in memory and writes them at the end."""

    def __init__(self, path: Path, threads: int, seed: int) -> None:
        self.profile = path.with_suffix("")
        opened = get_runtime("onnxruntime").load(path, threads, profile=self.profile)
        self.session = opened.session
        self.run: Call = partial(opened.run, random_pixels(opened.preprocessing, 1, seed))

    def finish(self) -> tuple[list[Run], dict[int | str, int]]:
        from pocketvision.measure.onnx_profile import end_profile  # needs ONNX Runtime

        return by_part(end_profile(self.session, self.profile))


def by_part(profile: Profile) -> tuple[list[Run], dict[int | str, int]]:
    """ONNX Runtime's profile -> seconds of each part in each run, and the number of nodes of each part.

    What is done to the pixels before the first row is the part "pixels"; what is done to the logits is the head's.
    """
    from pocketvision.measure.onnx_profile import rows_of

    if not profile.runs:
        return [], {}
    outside = {BEFORE: PIXELS, AFTER: HEAD}
    parts = [outside.get(str(row), row) for row, _ in rows_of(profile.graph, profile.runs[0])]
    runs: list[Run] = []
    for events in profile.runs:
        run: Run = {}
        for part, event in zip(parts, events, strict=True):
            run[part] = run.get(part, 0.0) + event.us * 1e-6
        runs.append(run)
    return runs, dict(Counter(parts))

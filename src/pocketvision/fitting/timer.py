"""Candidates timed: built, exported, and run in the runtime that will run them. Every result is remembered."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pocketvision.fitting.budget import HEADROOM
from pocketvision.fitting.candidates import Candidate
from pocketvision.fitting.clock import Clock, Here, Look
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.measure.settle import settled
from pocketvision.network import build
from pocketvision.runtimes import get_runtime

SHORT = Look(9, 0.10, 2.0)  # while bracketing
LONG = Look(25, 0.05, 8.0)  # before the decision
# Of the file that ships. A processor that was idle, or is shared with other virtual machines, is slower by half in some
# seconds than in others, and no clock tells: after a second of calls it mostly is as fast as it gets.
FILE = Look(25, 0.05, 8.0, warmup=1.0)


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
    left_out: int = 0  # candidates that there was no time for
    headroom: float = HEADROOM  # the share of a budget that a choice may take

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

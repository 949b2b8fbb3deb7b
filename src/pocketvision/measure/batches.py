"""Timing many networks on a machine whose speed drifts: in batches, each beside one and the same reference networks.

Inside a batch all turns are shuffled round by round, so that a busy spell falls on everyone alike. Between batches, and
between days, the references' time says how fast the machine was.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any, TypeVar

from pocketvision.errors import InputError
from pocketvision.measure import netfile
from pocketvision.measure.chains import Chain
from pocketvision.measure.latency import Latency, summarise
from pocketvision.measure.pieces import Piece
from pocketvision.measure.place import Here, Place, Session
from pocketvision.measure.settle import settled
from pocketvision.measure.turns import take_turns, worker_turn
from pocketvision.network import Network, build
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes.torch import thread_count
from pocketvision.spec import Spec

TOGETHER = 12  # networks in a batch: some 30 MB each, and few enough that a killed run loses less than a minute
WARMUP = 0.05  # s
NOTHING = {"ms": 0.0, "low_ms": 0.0, "high_ms": 0.0, "nodes": 0}  # a piece that the engine optimised away
T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """How thoroughly: rounds, and the seconds of a turn."""

    rounds: int = 15
    seconds: float = 0.02


ORDINARY = Look()


@dataclass(frozen=True)
class How:
    """Beside which networks a batch is timed, in what, how thoroughly and where."""

    references: tuple[Spec, ...]
    runtime: str
    threads: int
    look: Look = ORDINARY
    place: Place = field(default_factory=Here)


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Nearly equal parts of at most TOGETHER."""
    count = -(-len(items) // TOGETHER)
    for i in range(count):
        yield items[len(items) * i // count : len(items) * (i + 1) // count]


def time_chains(chains: Sequence[Chain], how: How) -> dict[str, Any]:
    """The pieces' times in the chains, as JSON: `{rows: {key: {ms, low_ms, high_ms, nodes}}, reference_ms, ...}`."""
    with _batch(how) as batch:
        numbers = batch.open([chain.spec for chain in chains], clocked=True)
        _, around = batch.time()
        times = [batch.rows(number) for number in numbers]
    found: dict[str, Any] = {}
    for chain, rows in zip(chains, times, strict=True):
        found |= {piece.key: {**_costs(piece), **rows.get(part, NOTHING)} for part, piece in chain.pieces.items()}
    return {"rows": found, **around}


def time_networks(specs: Sequence[Spec], how: How, keep: Path | None = None) -> dict[str, Any]:
    """Whole networks, one plain call each, as JSON: `{networks: {digest: {...}}, reference_ms, ...}`.

    Exported files stay in the folder `keep`, if there is one, and are used again.
    """
    with _batch(how, keep) as batch:
        numbers = batch.open(specs)
        taken, around = batch.time()
    found = {
        digest(spec): {"spec": spec.to_json(), **taken[number].to_json()}
        for spec, number in zip(specs, numbers, strict=True)
    }
    return {"networks": found, **around}


def digest(spec: Spec) -> str:
    """A short name for an architecture, whatever it is called."""
    return hashlib.sha256(replace(spec, name="", origin=None).to_json().encode()).hexdigest()[:16]


class _Batch:
    """What is timed together, in one worker."""

    def __init__(self, how: How, folder: Path, worker: Session) -> None:
        self.how, self.folder, self.worker = how, folder, worker
        # Before anything is pinned: a pool of threads that PyTorch starts would stay on the pinned CPUs.
        self.beside = [self._export(spec) for spec in how.references]
        self.opened: list[int] = []
        self.references: list[int] = []

    def open(self, specs: Sequence[Spec], clocked: bool = False) -> list[int]:
        """Open fresh networks, and the references beside them; the numbers of the former."""
        sources = [self._export(spec) for spec in specs]
        numbers = [self._open(source, "open_clocked" if clocked else "open") for source in sources]
        self.references = [self._open(source, "open") for source in self.beside]
        self.opened = [*numbers, *self.references]
        return numbers

    def time(self) -> tuple[dict[int, Latency], dict[str, Any]]:
        """Everybody's latency, and how fast and how busy the machine was."""
        ask, look = self.worker.ask, self.how.look
        for number in self.opened:
            ask("warm", id=number, seconds=WARMUP, turn=look.seconds)
        turns = {number: partial(worker_turn, self.worker, number) for number in self.opened}
        rounds, failed = take_turns(turns, look.rounds)
        for reason in failed.values():
            raise InputError(reason)
        taken = {number: summarise(each) for number, each in rounds.items()}
        here = ask("machine")["machine"]
        reference_ms = geometric_mean(taken[number].median_ms for number in self.references)
        load = here["load"][0] if here["load"] else None
        return taken, {"reference_ms": reference_ms, "load": load, "time": here["time"]}

    def rows(self, number: int) -> dict[int | str, dict[str, Any]]:
        """The times of a clocked network's parts."""
        found = self.worker.ask("rows", id=number, rounds=self.how.look.rounds)["rows"]
        return {part: dict(zip(NOTHING, times, strict=True)) for part, *times in found}

    def _export(self, spec: Spec) -> Network | Path:
        """A fresh network in which numbers stay ordinary, as a file if it needs one."""
        runtime, path = get_runtime(self.how.runtime), self.folder / f"{digest(spec)}.{self.how.runtime}"
        if path.exists():
            return path
        net = settled(build(spec))
        if hasattr(runtime, "convert"):
            return Path(runtime.convert(net, path))
        if self.how.place.device is None:
            return net
        (self.folder / digest(spec)).mkdir(exist_ok=True)
        return netfile.save(net, self.folder / digest(spec))

    def _open(self, source: Network | Path, do: str) -> int:
        return self.worker.open(source, do, runtime=self.how.runtime, threads=self.how.threads, seed=0)


@contextmanager
def _batch(how: How, keep: Path | None = None) -> Iterator[_Batch]:
    """A worker and a folder for files; afterwards PyTorch has as many threads as before (opening one sets them)."""
    with tempfile.TemporaryDirectory(prefix="pocketvision-") as name, thread_count(0), how.place.worker() as worker:
        yield _Batch(how, keep or Path(name), worker)
        worker.clear()


def _costs(piece: Piece) -> dict[str, Any]:
    return {"kind": piece.kind, "macs": piece.macs, "mac_bytes": piece.mac_bytes}

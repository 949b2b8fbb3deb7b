"""Timing many networks on a machine whose speed drifts: in batches, each beside one and the same reference network.

Inside a batch all turns are shuffled round by round, so that a busy spell falls on everyone alike. Between batches, and
between days, the reference's time says how fast the machine was.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.image import preprocessing_for
from pocketvision.measure.bench import random_pixels
from pocketvision.measure.chains import Chain
from pocketvision.measure.latency import Call, Latency, time_interleaved
from pocketvision.measure.pieces import Piece
from pocketvision.measure.pin import pinned
from pocketvision.measure.rowtimes import RowTime, open_clocked, row_times
from pocketvision.measure.settle import settled
from pocketvision.network import Network, build
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes.torch import thread_count
from pocketvision.spec import Spec

TOGETHER = 12  # networks in a batch: some 30 MB each, and few enough that a killed run loses less than a minute
REFERENCE_TURNS = 3  # of the reference in each round: its time divides everyone's
NOTHING = RowTime(0.0, 0.0, 0.0, 0)  # a piece that the engine optimised away
T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """How thoroughly: rounds, and the seconds of a turn."""

    rounds: int = 15
    seconds: float = 0.02


ORDINARY = Look()


def batched(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Nearly equal parts of at most TOGETHER."""
    count = -(-len(items) // TOGETHER)
    for i in range(count):
        yield items[len(items) * i // count : len(items) * (i + 1) // count]


def time_chains(chains: Sequence[Chain], reference: Spec, runtime: str, threads: int, look: Look) -> dict[str, Any]:
    """The pieces' times in the chains, as JSON: `{rows: {key: {ms, low_ms, high_ms, nodes}}, reference_ms, ...}`."""
    found: dict[str, Any] = {}
    with _place() as folder:
        beside = export(reference, runtime, folder)
        sources = [export(chain.spec, runtime, folder) for chain in chains]
        with pinned(threads):
            clocked = [
                open_clocked(source, _pixels(chain.spec), runtime, threads)
                for source, chain in zip(sources, chains, strict=True)
            ]
            calls = {str(i): chain.run for i, chain in enumerate(clocked)} | _reference(beside, runtime, threads)
            taken = time_interleaved(calls, threads, look.rounds, look.seconds)
        for i, chain in enumerate(chains):
            latency = taken[str(i)]
            parts = row_times(clocked[i], latency.rounds, latency.calls // latency.rounds)
            found |= {piece.key: _entry(piece, parts.get(part, NOTHING)) for part, piece in chain.pieces.items()}
    return {"rows": found, **_circumstances(taken)}


def time_networks(
    specs: Sequence[Spec], reference: Spec, runtime: str, threads: int, look: Look, keep: Path | None = None
) -> dict[str, Any]:
    """Whole networks, one plain call each, as JSON: `{networks: {digest: {...}}, reference_ms, ...}`.

    Exported files stay in the folder `keep`, if there is one, and are used again.
    """
    with _place() as folder:
        beside = export(reference, runtime, keep or folder)
        sources = [export(spec, runtime, keep or folder) for spec in specs]
        with pinned(threads):
            calls = {str(i): open_call(source, runtime, threads) for i, source in enumerate(sources)}
            calls |= _reference(beside, runtime, threads)
            taken = time_interleaved(calls, threads, look.rounds, look.seconds)
    found = {digest(spec): {"spec": spec.to_json(), **taken[str(i)].to_json()} for i, spec in enumerate(specs)}
    return {"networks": found, **_circumstances(taken)}


def export(spec: Spec, runtime: str, folder: Path) -> Network | Path:
    """A fresh network in which numbers stay ordinary, as a file in `folder` if the runtime has files.

    To be done before anything is pinned: a pool of threads that PyTorch starts would stay on the pinned CPUs.
    """
    module, path = get_runtime(runtime), folder / f"{digest(spec)}.{runtime}"
    if path.exists():
        return path
    net = settled(build(spec))
    return module.convert(net, path) if hasattr(module, "convert") else net


def open_call(source: Network | Path, runtime: str, threads: int) -> Call:
    """One call of the shipped contract on random pixels."""
    runnable = get_runtime(runtime).load(source, threads)
    return partial(runnable.run, random_pixels(runnable.preprocessing))


def digest(spec: Spec) -> str:
    """A short name for an architecture."""
    return hashlib.sha256(spec.to_json().encode()).hexdigest()[:16]


@contextmanager
def _place() -> Iterator[Path]:
    """A folder for files; afterwards PyTorch has as many threads as before (opening a network in it sets them)."""
    with tempfile.TemporaryDirectory(prefix="pocketvision-") as name, thread_count(0):
        yield Path(name)


def _entry(piece: Piece, time: RowTime) -> dict[str, Any]:
    return {"kind": piece.kind, "macs": piece.macs, "mac_bytes": piece.mac_bytes, **asdict(time)}


def _pixels(spec: Spec) -> NDArray[np.uint8]:
    return random_pixels(preprocessing_for(spec.resolution, spec.channels))


def _reference(source: Network | Path, runtime: str, threads: int) -> dict[str, Call]:
    call = open_call(source, runtime, threads)
    return {f"reference {i}": call for i in range(REFERENCE_TURNS)}


def _circumstances(taken: dict[str, Latency]) -> dict[str, Any]:
    """How fast and how busy the machine was."""
    reference = sorted(taken[f"reference {i}"].median_ms for i in range(REFERENCE_TURNS))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"reference_ms": reference[REFERENCE_TURNS // 2], "load": load, "time": now}

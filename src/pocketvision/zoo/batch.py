"""One batch of the zoo: networks timed beside the references, and which of them could not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from pocketvision.errors import InputError
from pocketvision.measure.batches import Look
from pocketvision.measure.bench import bench_report

if TYPE_CHECKING:
    from pocketvision.network import Network

# Small and large, with and without depthwise convolutions: their times together say how fast the machine was.
REFERENCES = ("mobilenet_v3_small", "mobilenet_v2", "squeezenet_1.1")
TIMES = ("ms", "low_ms", "high_ms")
COSTS = ("params", "macs", "max_error", "error")
LOOK = Look(rounds=9)  # fewer than a latency table takes: over a hundred networks in some five minutes


@dataclass(frozen=True)
class Where:
    """In what is timed, and where. `device` and `python` as in `bench_report`; `keep` is a folder of exported files."""

    runtime: str = "onnxruntime"
    threads: int = 1
    device: str | None = None
    python: Path | None = None
    keep: Path | None = None


def measured(names: Sequence[str], where: Where, look: Look, folder: Path) -> dict[str, Any]:
    """One batch as JSON. A network that spoils it, or fails in it, is tried once more alone, to know whose fault it
    is: an engine that dies takes the others of its process with it."""
    try:
        found = _recorded(timed(names, where, look, folder))
    except InputError as error:
        found = _recorded(timed([], where, look, folder))  # raises when no network is to blame
        found["rows"] |= {name: _failed(str(error)) for name in names}
    again = [name for name, row in found["rows"].items() if row["error"] and len(names) > 1]
    for name in again:
        try:
            alone = _recorded(timed([name], where, look, folder))
        except InputError as error:
            found["rows"][name] = _failed(str(error))
            continue
        row, pace = alone["rows"][name], found["reference"]["ms"] / alone["reference"]["ms"]
        found["rows"][name] = row | {key: row[key] and row[key] * pace for key in TIMES}
    return found


def timed(names: Sequence[str], where: Where, look: Look, folder: Path) -> dict[str, Any]:
    """What `bench_report` says of the references and `names`; InputError when a reference cannot be timed."""
    nets = {_beside(name): _network(name) for name in REFERENCES} | {name: _network(name) for name in names}
    report = bench_report(
        nets,
        where.runtime,
        where.threads,
        rounds=look.rounds,
        seconds=look.seconds,
        device=where.device,
        python=where.python,
        keep=where.keep or folder,
    )
    for row in report["results"][: len(REFERENCES)]:
        if row["error"]:
            raise InputError(row["error"])
    return report


def _recorded(report: dict[str, Any]) -> dict[str, Any]:
    """A report as the journal has it: `{rows: {name: {...}}, reference: {...}, load, warnings, time}`."""
    rows = [{"name": row["model"], **_outcome(row)} for row in report["results"]]
    beside, own = rows[: len(REFERENCES)], rows[len(REFERENCES) :]
    return {
        "rows": {row.pop("name"): row for row in own},
        "reference": {key: geometric_mean(row[key] for row in beside) for key in TIMES},
        "load": report["load"],
        "warnings": report["warnings"],
        "time": report["time"],
    }


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    """The interval is that in which the quiet latency lies: on a busy machine wider than the median's own."""
    bounds = {"low_ms": row["least_ms"], "high_ms": row["most_ms"]}
    return {"ms": row["median_ms"], **bounds, **{key: row[key] for key in COSTS}}


def _failed(reason: str) -> dict[str, Any]:
    return {**dict.fromkeys((*TIMES, *COSTS)), "error": reason}


def _beside(name: str) -> str:
    return f"reference {name}"


def _network(name: str) -> Network:
    """Always with the same weights, so that exported files are found again."""
    import torch

    from pocketvision.models import create_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_model(name).eval()

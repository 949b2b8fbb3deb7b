"""From turns to rows: is the answer right, which is fastest, and which cannot be told apart from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.measure.calls import TimedCall
from pocketvision.measure.entries import Entry
from pocketvision.measure.latency import Latency, median_interval, summarise
from pocketvision.measure.quiet import turn_seconds
from pocketvision.measure.turns import Asked, calls_of

TOLERANCE = 0.01  # of the range of the right answers
ROUNDING = 1e-6  # of a probability in float32: no less is asked where all answers are alike


@dataclass
class Measured:
    """One entry at one thread count and batch, and what has become of it."""

    entry: Entry
    threads: int
    batch: int
    client: Asked | None = None
    opened: dict[str, Any] = field(default_factory=dict)
    taken: list[list[TimedCall]] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)  # CPUs used in each turn
    cpu_seconds: float = 0.0  # of the worker in all turns
    max_error: float | None = None
    wrong: bool = False
    error: str | None = None

    def __post_init__(self) -> None:
        self.error = self.entry.error

    @property
    def macs(self) -> int | None:
        """Of one image; a file may only tell when it is open."""
        return self.entry.macs or self.opened.get("macs")

    def check(self) -> None:
        """Compare the worker's answer with PyTorch's."""
        expected = self.entry.expected.get(self.batch)
        if expected is None:
            return
        self.max_error, self.wrong = judge(np.array(self.opened["answer"]), expected)
        if self.wrong:
            self.error = f"its answer is wrong: off by {self.max_error:.1e} where PyTorch's span {np.ptp(expected):.1e}"

    def turn(self) -> list[TimedCall]:
        """The timed calls of one turn."""
        assert self.client is not None
        reply = self.client.ask("turn", id=self.opened["id"])
        self.cpus.append(reply["cpus_used"])
        self.cpu_seconds += reply["cpu_seconds"]
        return calls_of(reply)


def judge(found: NDArray[Any], expected: NDArray[Any]) -> tuple[float, bool]:
    """(largest difference of a probability, whether the answer is wrong).

    Wrong is more than 1 % of the range of the right answers: an untrained network's probabilities all lie within some
    1e-5, and an absolute limit would let any nonsense pass.
    """
    if found.shape != expected.shape:
        return float("inf"), True
    error = float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max())
    return error, not error <= max(TOLERANCE * float(np.ptp(expected)), ROUNDING)  # NaN is neither


def reached(found: Iterable[Measured], threads: int) -> float:
    """The most GFLOP/s that anything did on `threads` threads."""
    fastest = 0.0
    for one in found:
        if one.threads == threads and one.taken and one.macs:
            fastest = max(fastest, 2 * one.macs * one.batch / summarise(one.taken).median_ms / 1e6)
    return fastest


def rows(found: list[Measured], peaks: Mapping[int, float | None], device: str | None) -> list[dict[str, Any]]:
    """One dict for each, in their order: the fields of `latency.Latency`, and more.

    `ratio_to_fastest`: the median over rounds of the ratio to the fastest (by `median_ms`, with the same threads and
    batch) in the same round, and `ratio_low`..`ratio_high` its 95 % interval; within noise it may be below 1. `tied`:
    its interval overlaps the fastest's, the two are not different. `fraction_of_peak`: 2 * macs * batch / median over
    `machine_peaks.float32_peak` on these threads. `max_error`: the largest difference of a probability from PyTorch's
    on random pixels, None for exported files in their own runtime; `wrong` answers are not timed. `load_ms`: from the
    file to the first answer. `memory_bytes`, `peak_bytes`: by how much the process had grown then, and at most on the
    way (Linux; the first network in a process pays for the engine's own pools). `cpus_used`: CPU time over wall time in
    the timed turns, on average. `error`: why there are no times.
    """
    latencies = {number: summarise(one.taken) for number, one in enumerate(found) if one.taken}
    fastest: dict[tuple[int, int], int] = {}
    for number, latency in latencies.items():
        group = found[number].threads, found[number].batch
        if group not in fastest or latency.median_ms < latencies[fastest[group]].median_ms:
            fastest[group] = number
    return [
        _row(one, latencies.get(number), found, latencies, fastest.get((one.threads, one.batch)), peaks, device)
        for number, one in enumerate(found)
    ]


def _row(
    one: Measured,
    latency: Latency | None,
    found: list[Measured],
    latencies: Mapping[int, Latency],
    best: int | None,
    peaks: Mapping[int, float | None],
    device: str | None,
) -> dict[str, Any]:
    macs = one.macs
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    fraction: float | None = None
    tied: bool | None = None
    if latency is not None and best is not None:
        first, peak = latencies[best], peaks.get(one.threads)
        pairs = zip(one.taken, found[best].taken, strict=True)
        ratios = [turn_seconds(own) / turn_seconds(others) for own, others in pairs]
        ratio, (low, high), tied = median(ratios), median_interval(ratios), latency.low_ms <= first.high_ms
        if macs and peak and latency.median_ms:
            fraction = 2 * macs * one.batch / latency.median_ms / 1e6 / peak
    return {
        "model": one.entry.model,
        "runtime": one.opened.get("runtime", one.entry.runtime),
        "threads": one.threads,
        "batch": one.batch,
        "precision": "fp32",
        **(latency.to_json() if latency else dict.fromkeys([*Latency.__dataclass_fields__, "reliable"])),
        "ratio_to_fastest": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "tied": tied,
        "fraction_of_peak": fraction,
        "max_error": one.max_error,
        "wrong": one.wrong,
        "version": one.opened.get("version"),
        "params": one.entry.params or one.opened.get("params"),
        "macs": macs,
        "load_ms": one.opened.get("load_ms"),
        "memory_bytes": one.opened.get("memory_bytes"),
        "peak_bytes": one.opened.get("peak_bytes"),
        "cpus_used": fmean(one.cpus) if one.cpus else None,
        "device": device,
        "error": one.error,
    }

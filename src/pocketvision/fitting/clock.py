"""The clock that a budget is kept by: exported files timed against each other, on this machine or on another device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pocketvision.errors import InputError
from pocketvision.fitting.budget import beside_others
from pocketvision.measure import place, watch
from pocketvision.measure.latency import Latency, summarise, time_interleaved
from pocketvision.measure.machine import machine
from pocketvision.measure.pin import pinned
from pocketvision.measure.remote import is_remote
from pocketvision.measure.turns import take_turns, worker_turn
from pocketvision.runtimes import get_runtime

WARMUP = 0.05  # s, as `time_interleaved` has it


@dataclass(frozen=True)
class Look:
    """How long to measure: at least `rounds`, then until the interval is `narrow` or `limit` seconds have passed.

    Before that each network is called for `warmup` seconds.
    """

    rounds: int
    narrow: float
    limit: float
    warmup: float = WARMUP


class Clock(Protocol):
    """Where networks are timed."""

    device: str | None  # the other device's name; None: this machine

    def time(self, paths: Sequence[Path], runtime: str, threads: int, look: Look) -> list[Latency]:
        """Latencies of exported files, in their order, from one interleaved measurement at batch 1.

        Their bounds allow for what other programs did on that machine meanwhile.
        """
        ...

    def machine(self) -> dict[str, Any]:
        """What `measure.machine.machine` says where networks are timed."""
        ...

    def close(self) -> None:
        """Keep no connection. It may be used again."""
        ...


class Here:
    """This machine, in this process."""

    device: str | None = None

    def time(self, paths: Sequence[Path], runtime: str, threads: int, look: Look) -> list[Latency]:
        calls = {str(number): open_call(runtime, path, threads) for number, path in enumerate(paths)}
        before, began, own = watch.worked(), time.monotonic(), time.process_time()
        found = time_interleaved(calls, threads=threads, **asdict(look)).values()
        seconds, own = time.monotonic() - began, time.process_time() - own
        busy = watch.busy_between({"worked": before}, {"worked": watch.worked()}, seconds, own)
        return [beside_others(latency, busy) for latency in found]

    def machine(self) -> dict[str, Any]:
        return machine()

    def close(self) -> None:
        """There is no connection."""


class There:
    """Another device. It is connected to when first asked for something, and again after `close`."""

    def __init__(self, text: str) -> None:
        """`text` as of `measure.remote.open_device`; InputError when it names no device."""
        self._place = place.There(text)
        self.device = self._place.device

    def time(self, paths: Sequence[Path], runtime: str, threads: int, look: Look) -> list[Latency]:
        with self._place.worker() as worker:
            opened = [worker.open(path, runtime=runtime, threads=threads) for path in paths]
            worker.clear()
            for number in opened:
                worker.ask("warm", id=number, seconds=look.warmup)
            turns = {number: partial(worker_turn, worker, number) for number in opened}
            before = worker.ask("conditions")["busy_cores"]
            taken, failed = take_turns(turns, look.rounds, narrow=look.narrow, limit=look.limit)
            after = worker.ask("conditions")["busy_cores"]
        if failed:
            raise InputError(next(iter(failed.values())))
        busy = None if before is None or after is None else max(before, after)
        return [beside_others(summarise(taken[number]), busy) for number in opened]

    def machine(self) -> dict[str, Any]:
        with self._place.worker() as worker:
            found: dict[str, Any] = worker.ask("machine")["machine"]
        return found

    def close(self) -> None:
        self._place.close()


def open_call(runtime: str, path: Path, threads: int) -> Callable[[], object]:
    """One call of the shipped contract at batch 1 on an ordinary image: uint8 noise, for zeros would lie."""
    with pinned(threads):  # the session's own threads stay where they are started
        runnable = get_runtime(runtime).load(path, threads)
    p = runnable.preprocessing
    image = np.random.default_rng(0).integers(0, 256, (1, *p.resolution, p.channels), dtype=np.uint8)
    return lambda: runnable.run(image)


def where(clock: Clock) -> str:
    """`this machine`, or the device's name."""
    return clock.device or "this machine"


def clock_for(device: str) -> tuple[str, Clock]:
    """What `--device` of `fit` means: where to train, and where networks are timed.

    Another device is only measured on; then training is wherever this machine does it best. InputError for what names
    no device is left to whoever opens it.
    """
    return ("auto", There(device)) if is_remote(device) else (device, Here())

"""Keeping a measurement on fixed cores, so that the system does not move it about while the clock runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")
LOOK_SECONDS = 0.1  # /proc/stat counts in ticks of 10 ms


@contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...]]:
    """The calling thread on `threads` CPUs inside the block; afterwards where it was. Yields the CPUs.

    Threads that are started inside the block stay on these CPUs for good: open an engine's session here if it is
    only for timing, and never start a pool here that others go on to use. 0 threads, a process that has no more CPUs
    than that anyway, and systems without `sched_setaffinity` (macOS, Windows) are left as they are.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield ()
        return
    before = os.sched_getaffinity(0)
    chosen = before if not 0 < threads < len(before) else set(choose(before, threads))
    try:
        if chosen != before:
            os.sched_setaffinity(0, chosen)
        yield tuple(sorted(chosen))
    finally:
        if chosen != before:
            os.sched_setaffinity(0, before)


def choose(cpus: set[int], threads: int) -> list[int]:
    """The `threads` best of `cpus`: a big.LITTLE chip's fast cores, one hardware thread of each core, the idlest."""
    busy_before = busy_ticks()
    time.sleep(LOOK_SECONDS)
    busy = {cpu: ticks - busy_before.get(cpu, 0) for cpu, ticks in busy_ticks().items()}

    def rank(cpu: int) -> tuple[int, int, int, int]:
        return -_number(cpu, "cpu_capacity"), _place_among_siblings(cpu), busy.get(cpu, 0), cpu

    return sorted(cpus, key=rank)[:threads]


def busy_ticks(path: Path = Path("/proc/stat")) -> dict[int, int]:
    """CPU -> ticks spent on anything but idling and waiting for a disk; empty where the system does not say."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    fields = [line.split() for line in lines if line.startswith("cpu") and line[3].isdigit()]
    return {int(name[3:]): sum(map(int, ticks[:3] + ticks[5:8])) for name, *ticks in fields}


def _number(cpu: int, file: str) -> int:
    try:
        return int((CPUS / f"cpu{cpu}" / file).read_text())
    except (OSError, ValueError):
        return 0


def _place_among_siblings(cpu: int) -> int:
    """0 for the first hardware thread of a core, 1 for the second: "0,4" or "0-1" lists the threads of one core."""
    try:
        text = (CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
        siblings = [int(part) for part in text.replace("-", ",").split(",")]
    except (OSError, ValueError):
        return 0
    return sum(sibling < cpu for sibling in siblings)

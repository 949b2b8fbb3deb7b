"""What makes a measurement doubtful, in words: a busy machine, a falling clock, threads that are not what was asked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from pocketvision.measure.pin import busy_ticks

SPINS = 20_000
BUSY = 0.25  # cores' worth of other programs' work that is worth a word
SLOWER = 1.1  # times the spin loop at the start
TOO_FEW, TOO_MANY = 0.7, 1.25  # times the threads asked


def spin(times: int = 15) -> float:
    """Seconds of a fixed piece of arithmetic on one core, the fastest of `times`: follows the clock's frequency."""
    best = float("inf")
    for _ in range(times):
        start, total = time.perf_counter(), 0
        for number in range(SPINS):
            total += number & 3
        best = min(best, time.perf_counter() - start)
    return best


def busy_cores(seconds: float = 0.3) -> float | None:
    """Cores' worth of work that the machine does while this process sleeps; None where the system does not tell."""
    before = busy_ticks()
    if not before:
        return None
    time.sleep(seconds)
    ticks = sum(now - before.get(cpu, now) for cpu, now in busy_ticks().items())
    return ticks / os.sysconf("SC_CLK_TCK") / seconds


def conditions() -> dict[str, Any]:
    """`{load, busy_cores, spin}` now: load averages, cores' worth of other programs' work, seconds of `spin`."""
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
    return {"load": load, "busy_cores": busy_cores(), "spin": spin()}


def warnings(
    before: Mapping[str, Any], after: Mapping[str, Any], used: Iterable[tuple[str, int, float]], cores: int
) -> list[str]:
    """One sentence for each doubt.

    `before` and `after`: `{busy_cores, spin}` at the start and the end. `used`: (runtime, threads asked, CPUs used).
    """
    said = []
    busy = max((each["busy_cores"] for each in (before, after) if each.get("busy_cores") is not None), default=0.0)
    if busy > BUSY:
        said.append(
            f"other programs used {busy:.1f} of {cores} cores: the times are longer and less steady than they would be "
            "on a quiet machine"
        )
    if before.get("spin") and after.get("spin") and after["spin"] > SLOWER * before["spin"]:
        slower = after["spin"] / before["spin"]
        said.append(
            f"the processor was {slower:.2f} times slower at the end than at the start: its clock fell (heat, power), "
            "or others share it"
        )
    groups: dict[tuple[str, int], list[float]] = {}
    for runtime, threads, cpus in used:
        groups.setdefault((runtime, threads), []).append(cpus)
    for (runtime, threads), each in groups.items():
        cpus = median(each)
        # On a busy machine threads wait for a core: nothing follows about the runtime.
        if (threads > 1 and cpus < TOO_FEW * threads and busy <= BUSY) or cpus > TOO_MANY * threads:
            said.append(f"{runtime}: {threads} {'thread' if threads == 1 else 'threads'} asked for, {cpus:.1f} used")
    return said

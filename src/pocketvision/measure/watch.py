"""What makes a measurement doubtful, in words: a busy machine, a falling clock, threads that are not what was asked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from pocketvision.measure.pin import busy_ticks
from pocketvision.units import counted, percent

SPINS = 20_000
BUSY = 0.25  # cores' worth of other programs' work that is worth a word
SLOWER = 1.1  # times the spin loop at the start
TOO_FEW, TOO_MANY = 0.7, 1.25  # times the threads asked
LOOK_SECONDS = 0.3  # /proc/stat counts in ticks of 10 ms


def spin(times: int = 15) -> float:
    """Seconds of a fixed piece of arithmetic on one core, the fastest of `times`: follows the clock's frequency."""
    best = float("inf")
    for _ in range(times):
        start, total = time.perf_counter(), 0
        for number in range(SPINS):
            total += number & 3
        best = min(best, time.perf_counter() - start)
    return best


def worked() -> float | None:
    """CPU seconds that all programs together have used since the machine started; None where it does not tell."""
    ticks = busy_ticks()
    return sum(ticks.values()) / os.sysconf("SC_CLK_TCK") if ticks else None


def busy_cores(seconds: float = LOOK_SECONDS) -> float | None:
    """Cores' worth of work that the machine does during `seconds` in which this process sleeps; None: not known."""
    before = worked()
    if before is None:
        return None
    time.sleep(seconds)
    return max(0.0, (worked() or before) - before) / seconds


def conditions(seconds: float = LOOK_SECONDS) -> dict[str, Any]:
    """`{load, worked, busy_cores, spin}` now.

    Load averages, what `worked` tells, what `busy_cores` sees in `seconds`, and the seconds of `spin`.
    """
    load, before = list(os.getloadavg()) if hasattr(os, "getloadavg") else None, worked()
    return {"load": load, "worked": before, "busy_cores": busy_cores(seconds), "spin": spin()}


def busy_between(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float, own: float) -> float | None:
    """Cores' worth of other programs' work between two `conditions`, `seconds` apart; `own` CPU seconds were ours."""
    if before.get("worked") is None or after.get("worked") is None:
        return None
    return max(0.0, float(after["worked"]) - float(before["worked"]) - own) / seconds


def slowdown(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """How many times slower the processor was at the second of two `conditions`; 1 where that is not known."""
    if not before.get("spin") or not after.get("spin"):
        return 1.0
    return float(after["spin"]) / float(before["spin"])


def warnings(load: Mapping[str, Mapping[str, Any]], rows: Iterable[Mapping[str, Any]], cores: int) -> list[str]:
    """One sentence for each doubt.

    `load`: `{before, during, after}`, each with `busy_cores`, the first and the last also with `spin`. `rows` as of
    `outcome.rows`; those without a time are passed over.
    """
    said = []
    timed = [row for row in rows if row["cpus_used"] is not None]
    busy = max((each["busy_cores"] for each in load.values() if each.get("busy_cores") is not None), default=0.0)
    waited = [row["disturbed"] for row in timed if row["disturbed"] is not None]
    if busy > BUSY and waited:
        said.append(
            f"other programs used {busy:.1f} of {counted(cores, 'core')}: {percent(max(waited), 0)} of the calls "
            "at most waited for one "
            "and are left out or corrected; the wall time beside is as they came"
        )
    elif busy > BUSY:
        said.append(
            f"other programs used {busy:.1f} of {counted(cores, 'core')}: the times are longer and less steady "
            "than they would be "
            "on a quiet machine"
        )
    for row in timed:
        if not row["reliable"]:
            said.append(
                f"{row['model']} in {row['runtime']}, {threads_of(row['threads'])}: could not be measured reliably: "
                f"between {row['least_ms']:.3g} and {row['most_ms']:.3g} ms; measure again when the machine is quieter"
            )
    slower = slowdown(load["before"], load["after"])
    if slower > SLOWER:
        said.append(
            f"the processor was {slower:.2f} times slower at the end than at the start: its clock fell (heat, power), "
            "or others share it"
        )
    groups: dict[tuple[str, int], list[float]] = {}
    for row in timed:
        groups.setdefault((row["runtime"], row["threads"]), []).append(row["cpus_used"])
    for (runtime, threads), each in groups.items():
        cpus = median(each)
        if threads > cores:
            said.append(
                f"{runtime}: {threads_of(threads)} asked for on {counted(cores, 'core')}: they wait for each other"
            )
        # On a busy machine threads wait for a core: nothing follows about the runtime.
        elif (threads > 1 and cpus < TOO_FEW * threads and busy <= BUSY) or cpus > TOO_MANY * threads:
            said.append(f"{runtime}: {threads_of(threads)} asked for, {cpus:.1f} used")
    return said


def threads_of(count: int) -> str:
    """`1 thread`, `2 threads`."""
    return counted(count, "thread")

"""How fast this machine's memory is on some threads, measured by as many processes that take their turns together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

from pocketvision.measure.bandwidth import PAUSE, SLOT
from pocketvision.measure.caches import together
from pocketvision.measure.machine import BLAS_THREADS
from pocketvision.measure.pin import pinned

LEVELS = ("L2", "L3", "DRAM")
LARGEST_SET = 1 << 30  # bytes; a working set for the main memory is four times the last cache, but no larger
UNKNOWN_CACHE = 32 << 20  # bytes, taken for the last cache where the system does not say
PATIENCE = 60.0  # seconds for everything
NO_PROCESS = "no second process could be started"


def bandwidth(threads: int, memory: int | None) -> dict[str, dict[str, Any]]:
    """`{L2: {bytes, room, read, copy}, L3, DRAM}`: GB/s of `threads` threads together, each at work on `bytes`.

    The rates are those of the best moment, the same for all threads; where there is none they are None, and `reason`
    says why. `room` is what the threads have of this cache together, as the system says it.
    """
    with pinned(threads) as cpus:
        room = together(cpus, threads)
        sets = working_sets(room, memory, threads)
        each = _run(sets, threads, cpus) if sets else []
    found: dict[str, dict[str, Any]] = {}
    for level in LEVELS:
        rates = {what: best_slot(moved[level][what] for moved in each) if level in sets and each else None
                 for what in ("read", "copy")}  # fmt: skip
        found[level] = {"bytes": sets.get(level), "room": room.get(level), **rates}
        if rates["read"] is None:
            found[level]["reason"] = (
                NO_PROCESS if level in sets
                else "too little memory beyond the caches" if level == "DRAM"
                else f"the system does not tell of an {level} that has room for {threads} working sets"
            )  # fmt: skip
    return found


def working_sets(room: Mapping[str, int], memory: int | None, threads: int) -> dict[str, int]:
    """Bytes for each of `threads` processes that lie in L2, in L3 and in no cache; what there is no room for misses.

    `room`: bytes that they have of each cache together.
    """
    level2, level3 = (room.get(level, 0) // threads for level in ("L2", "L3"))
    last = room.get("L3") or room.get("L2") or UNKNOWN_CACHE
    largest = min(LARGEST_SET, (memory or 1 << 32) // 4) // threads
    sets: dict[str, int] = {}
    if level2:
        sets["L2"] = level2 // 2
    if level3 // 2 > 2 * level2:
        sets["L3"] = level3 // 2
    if largest * threads > 2 * last:
        sets["DRAM"] = min(largest, max(4 * last // threads, 64 << 20))
    return sets


def best_slot(processes: Iterable[list[int]]) -> float | None:
    """GB/s of the slot in which all processes together moved most; `processes`: bytes of each, slot by slot."""
    most = max(map(sum, zip(*processes, strict=True)))
    return most / SLOT / 1e9 or None


def _run(sets: dict[str, int], threads: int, cpus: tuple[int, ...]) -> list[dict[str, dict[str, list[int]]]]:
    """What each of `threads` processes moved, slot by slot; [] if one of them fails."""
    environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, "1")}
    started: list[subprocess.Popen[str]] = []

    def stop() -> None:
        for process in started:
            process.kill()

    timer = Timer(PATIENCE, stop)
    timer.start()
    try:
        for number in range(threads):
            told = json.dumps({"sets": sets, "cpu": cpus[number] if cpus else None})
            # -P: the script's folder must not come before the standard library (it has a profile.py too).
            command = [sys.executable, "-P", str(Path(__file__).with_name("bandwidth.py")), told]
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True))
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                return []
        start = time.perf_counter() + PAUSE
        for process in started:
            assert process.stdin is not None
            print(start, file=process.stdin, flush=True)
        return [json.loads(process.communicate()[0]) for process in started]
    except (OSError, ValueError):
        return []
    finally:
        timer.cancel()
        for process in started:
            process.kill()
            process.wait()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    with suppress(OSError):  # what was written for a process that has ended
                        end.close()

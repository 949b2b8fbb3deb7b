"""How many cores this process may use, which is not what the machine has: containers and `taskset` give fewer."""

from __future__ import annotations

import math
import os
from pathlib import Path

from pocketvision.errors import InputError
from pocketvision.units import counted


def usable_cores() -> int:
    """Cores within the CPU affinity of this process and the CPU quota of its control group; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def check_threads(threads: int, cores: int | None = None, where: str = "") -> None:
    """InputError for more threads than `cores`, which are the usable ones of a process on `where` (of this one).

    More would take turns on the cores, and their times would say nothing of the network.
    """
    usable = cores or usable_cores()
    if threads > usable:
        process = f"a process on {where}" if where else "this process"
        raise InputError(f"cannot use {counted(threads, 'thread')}: {process} may use {counted(usable, 'core')}")


def _quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores' worth of CPU time that Linux's cgroup v2 grants, rounded up (`--cpus 1.5` -> 2); huge without a limit."""
    try:
        quota, period = path.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no such file, or "max": no limit
        return 1 << 20

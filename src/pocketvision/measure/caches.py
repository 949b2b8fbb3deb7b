"""What a CPU core sees between itself and the memory, and how fast it ticks: as the system says it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from pocketvision.measure.pin import CPUS, choose

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# What macOS calls the caches of its fast cores.
SYSCTL = {"L1d": "hw.perflevel0.l1dcachesize", "L1i": "hw.perflevel0.l1icachesize", "L2": "hw.perflevel0.l2cachesize"}
CPUS_PER_L2 = "hw.perflevel0.cpusperl2"


@lru_cache
def timed_cpu() -> int:
    """A CPU of those that measurements are pinned to: of a big.LITTLE chip's a fast one, which CPU 0 may not be."""
    return choose(os.sched_getaffinity(0), 1)[0] if hasattr(os, "sched_getaffinity") else 0


def caches(cpu: int | None = None, folder: Path = CPUS) -> dict[str, int]:
    """Bytes of each cache that `cpu` (None: `timed_cpu()`) uses, alone or with others: `{L1d, L1i, L2, L3}`.

    Those that are not known miss. A virtual machine may name a cache that it shares with its neighbours.
    """
    if sys.platform == "darwin":
        return {name: size for name, key in SYSCTL.items() if (size := _sysctl(key))}
    return {name: size for name, (size, _) in _listed(timed_cpu() if cpu is None else cpu, folder).items()}


def together(cpus: Iterable[int], threads: int, folder: Path = CPUS) -> dict[str, int]:
    """Bytes of L2 and L3 that `threads` threads on `cpus` have, all of them together: a cache that several share, once.

    Where the system does not say who shares (`cpus` may be empty there), a core has an L2 of its own, and all have one
    L3; on macOS it says how many share an L2.
    """
    if sys.platform == "darwin":
        size, sharing = _sysctl(SYSCTL["L2"]), _sysctl(CPUS_PER_L2) or 1
        return {"L2": size * -(-threads // sharing)} if size else {}
    found: dict[tuple[str, str], int] = {}
    for cpu in cpus:
        for name, (size, sharing_cpus) in _listed(cpu, folder).items():
            found[name, sharing_cpus or (f"{cpu}" if name == "L2" else "all")] = size
    return {level: total for level in ("L2", "L3") if (total := sum(found[key] for key in found if key[0] == level))}


def _listed(cpu: int, folder: Path) -> dict[str, tuple[int, str]]:
    """Name of each cache of `cpu` -> its bytes, and the CPUs that share it ("0-3"; "" if the system does not say)."""
    found: dict[str, tuple[int, str]] = {}
    for index in sorted((folder / f"cpu{cpu}" / "cache").glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
            name = f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")
            found[name] = int(size[:-1]) * UNITS[size[-1]], _text(index / "shared_cpu_list")
        except (OSError, ValueError, KeyError, IndexError):  # a container may hide it, a board's kernel not know it
            continue
    return found


def frequency(cpu: int | None = None, folder: Path = CPUS) -> dict[str, float]:
    """MHz of `cpu` (None: `timed_cpu()`): `now`, and `lowest` and `highest` as its driver allows; unknown ones miss."""
    names = {"now": "scaling_cur_freq", "lowest": "scaling_min_freq", "highest": "scaling_max_freq"}
    cpu = timed_cpu() if cpu is None else cpu
    found = {}
    for key, name in names.items():
        try:
            found[key] = int((folder / f"cpu{cpu}" / "cpufreq" / name).read_text()) / 1000
        except (OSError, ValueError):
            continue
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _sysctl(key: str) -> int:
    try:
        done = subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, check=True, timeout=5)
        return int(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0

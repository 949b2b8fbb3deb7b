"""What a CPU core sees between itself and the memory, and how fast it ticks: as the system says it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pocketvision.measure.pin import CPUS

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# What macOS calls the caches of its fast cores.
SYSCTL = {"L1d": "hw.perflevel0.l1dcachesize", "L1i": "hw.perflevel0.l1icachesize", "L2": "hw.perflevel0.l2cachesize"}


def caches(cpu: int = 0, folder: Path = CPUS) -> dict[str, int]:
    """Bytes of each cache that `cpu` uses, alone or with others: `{L1d, L1i, L2, L3}`; those that are not known miss.

    A virtual machine may name a cache that it shares with its neighbours.
    """
    if sys.platform == "darwin":
        return {name: size for name, key in SYSCTL.items() if (size := _sysctl(key))}
    found: dict[str, int] = {}
    for index in sorted((folder / f"cpu{cpu}" / "cache").glob("index*")):
        try:
            level, kind = ((index / name).read_text().strip() for name in ("level", "type"))
            size = (index / "size").read_text().strip()
            found[f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")] = int(size[:-1]) * UNITS[size[-1]]
        except (OSError, ValueError, KeyError, IndexError):  # a container may hide it, a board's kernel not know it
            continue
    return found


def frequency(cpu: int = 0, folder: Path = CPUS) -> dict[str, float]:
    """MHz of `cpu`: `now`, and `lowest` and `highest` as its driver allows; what is not known is missing."""
    names = {"now": "scaling_cur_freq", "lowest": "scaling_min_freq", "highest": "scaling_max_freq"}
    found = {}
    for key, name in names.items():
        try:
            found[key] = int((folder / f"cpu{cpu}" / "cpufreq" / name).read_text()) / 1000
        except (OSError, ValueError):
            continue
    return found


def _sysctl(key: str) -> int:
    try:
        done = subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, check=True, timeout=5)
        return int(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0

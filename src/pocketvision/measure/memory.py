"""How much memory this process holds, from Linux's /proc; None elsewhere."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

PROCESS = Path("/proc/self")


def resident() -> int | None:
    """Bytes of this process that lie in memory now."""
    return _field("VmRSS")


def peak() -> int | None:
    """The most bytes that lay in memory since the process started, or since `forget`."""
    return _field("VmHWM")


def forget() -> None:
    """Give freed memory back and let `peak` start anew, where the system can."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # not glibc
        pass
    try:
        (PROCESS / "clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: the peak is then that of the whole process
        pass


def _field(name: str) -> int | None:
    try:
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)

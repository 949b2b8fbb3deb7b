"""Keeping freed memory in the process.

A training step allocates and frees hundreds of megabytes. By default glibc gives large blocks back to the kernel at
once, which must then clear every page again for the next step. What that costs: `experiments/throughput`.
"""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER, PAD_BYTES = 2**31 - 1, 64 << 20


def keep_freed_memory() -> bool:
    """From now on memory that is freed stays with the process. False where the C library has no such setting."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, PAD_BYTES))
    return all([mallopt(option, value) == 1 for option, value in settings])

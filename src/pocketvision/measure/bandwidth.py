"""How fast memory is read and copied, as a program of its own: one process for each core that takes part.

    python bandwidth.py '{"start": 1700000000.0, "sets": {"L2": 524288, "DRAM": 134217728}}'

`start` is the time at which all processes begin; each working set (bytes, of this process alone) then has its turn at
the same moment everywhere. Prints `{"L2": {"read": GB/s, "copy": GB/s}, ...}`. A copy counts what is read and what is
written, as STREAM does (McCalpin, https://www.cs.virginia.edu/stream).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

SECONDS = 0.2  # of each turn
PAUSE = 0.05  # between two turns, so that late ones do not meet the next
CALL = 1 << 20  # bytes that one look at the clock covers, at least


def best_rate(call: Callable[[], object], size: int, until: float) -> float:
    """GB/s of the fastest stretch of calls, each moving `size` bytes, until `until` (of time.time)."""
    repeats = max(1, CALL // size)
    best = float("inf")
    while time.time() < until or best == float("inf"):
        begin = time.perf_counter()
        for _ in range(repeats):
            call()
        best = min(best, time.perf_counter() - begin)
    return size * repeats / best / 1e9


def measure(start: float, sets: dict[str, int]) -> dict[str, dict[str, float]]:
    """`{name: {read, copy}}` in GB/s for each working set of `sets`, bytes."""
    found: dict[str, dict[str, float]] = {}
    memory = np.ones(max(sets.values()) // 4, np.float32)  # touched, so that it is there
    now = start
    for name, size in sets.items():
        half = size // 8
        left, right = memory[:half], memory[half : 2 * half]
        # Two ways to read: BLAS multiplies two streams and adds, numpy looks for the largest of one.
        ways: dict[str, list[Callable[[], object]]] = {
            "read": [lambda x=left, y=right: np.dot(x, y), lambda x=memory[: 2 * half]: x.max()],  # type: ignore[misc]
            "copy": [lambda x=left, y=right: np.copyto(y, x)],  # type: ignore[misc]
        }
        found[name] = {}
        for what, calls in ways.items():
            rates = []
            for call in calls:
                while time.time() < now:
                    call()  # warms up
                rates.append(best_rate(call, size, now + SECONDS))
                now += SECONDS + PAUSE
            found[name][what] = max(rates)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))

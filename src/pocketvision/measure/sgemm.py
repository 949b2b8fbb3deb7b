"""What one matrix multiplication reaches: the practical peak of this machine, as a program of its own.

numpy's BLAS fixes its number of threads when it is loaded, so the parent starts this file with that number in the
environment: `python sgemm.py` prints GFLOP/s.
"""

from __future__ import annotations

import time

import numpy as np

SIDE = 1024  # three matrices of 4 MB: large enough to hide the call, small enough for 10 ms a turn


def best_gflops(seconds: float = 0.4) -> float:
    """Billions of float32 operations a second (a multiply-add is two), the best of as many runs as fit."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    out = a @ b
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return float(2 * SIDE**3 / best / 1e9)


if __name__ == "__main__":
    print(best_gflops())

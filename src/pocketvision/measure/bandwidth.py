"""How fast memory is read and copied, as a program of its own: one process for each core that takes part.

    python bandwidth.py '{"sets": {"L2": 524288, "DRAM": 134217728}, "cpu": 3}'

prints `ready` when it has loaded numpy and touched its memory, waits on standard input for a line with the moment (of
time.perf_counter, which the processes of a machine share) at which all of them begin, and then prints what it moved in
each slot: `{"L2": {"read": [bytes, ...], "copy": [bytes, ...]}, ...}`. Each working set (bytes, of this process alone)
has its turns in the same slots everywhere, so that what processes moved in one slot may be added. A copy counts what is
read and what is written, as STREAM does (McCalpin, https://www.cs.virginia.edu/stream).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

SLOTS, SLOT = 10, 0.02  # of each turn; seconds
PAUSE = 0.05  # before each turn: for those that are late, and to warm up
PIECE = 1 << 21  # bytes that one call moves at most
LOOK = 1e-4  # seconds between two looks at the clock, about

Piece = tuple[NDArray[np.float32], NDArray[np.float32]]
# Two ways to read: BLAS multiplies two streams and adds, numpy looks for the largest of one.
WAYS: dict[str, tuple[Callable[[Piece], object], ...]] = {
    "read": (lambda piece: np.dot(*piece), lambda piece: (piece[0].max(), piece[1].max())),
    "copy": (lambda piece: np.copyto(piece[1], piece[0]),),
}


def pieces(memory: NDArray[np.float32], size: int) -> list[Piece]:
    """`size` bytes of `memory` as two streams, in pieces that follow each other in both."""
    half, step = size // 8, min(size, PIECE) // 8
    return [(memory[at : at + step], memory[half + at : half + at + step]) for at in range(0, half - step + 1, step)]


def moved(call: Callable[[Piece], object], over: list[Piece], start: float) -> list[int]:
    """Bytes that `call` moves in each slot from `start` (of time.perf_counter) on, going round the pieces.

    What begins in one slot and ends in another counts in neither: no slot is said to have more than it had.
    """
    round_and_round = cycle(over)
    size = 2 * over[0][0].nbytes
    repeats = 1
    while (now := time.perf_counter()) < start:  # warms up, and finds how many calls last from look to look
        for piece in islice(round_and_round, repeats):
            call(piece)
        repeats = max(1, round(repeats * LOOK / max(1e-7, time.perf_counter() - now)))
    found = [0] * SLOTS
    begin = time.perf_counter()
    while (slot := int((begin - start) / SLOT)) < SLOTS:
        for piece in islice(round_and_round, repeats):
            call(piece)
        end = time.perf_counter()
        if int((end - start) / SLOT) == slot:
            found[slot] += size * repeats
        begin = end
    return found


def measure(memory: NDArray[np.float32], sets: dict[str, int], start: float) -> dict[str, dict[str, list[int]]]:
    """`{name: {read, copy}}`, bytes in each slot of all turns, for each working set of `sets`, bytes."""
    found: dict[str, dict[str, list[int]]] = {}
    for name, size in sets.items():
        over = pieces(memory, size)
        found[name] = {what: [] for what in WAYS}
        for what, calls in WAYS.items():
            for call in calls:
                found[name][what] += moved(call, over, start)
                start += SLOTS * SLOT + PAUSE
    return found


def main(sets: dict[str, int], cpu: int | None) -> None:
    """See the top of this file."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    memory = np.ones(max(sets.values()) // 4, np.float32)  # touched, so that it is there
    print("ready", flush=True)
    print(json.dumps(measure(memory, sets, float(sys.stdin.readline()))))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one, which ends it
    main(**json.loads(sys.argv[1]))

"""How PyTorch's threads wait for each other, which can be chosen only before PyTorch is loaded."""

from __future__ import annotations

import os
import sys

from pocketvision.measure.watch import busy_cores
from pocketvision.progress import say

POLICY = "OMP_WAIT_POLICY"
CHOSEN = (POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")  # the user's own choice stands
BUSY = 0.5  # cores' worth of other programs' work


def sleep_when_busy() -> None:
    """On a busy machine threads wait asleep from now on, not spinning: that takes the cores from those waited for.

    On a quiet one spinning is faster by a third or more. With OMP_NUM_THREADS, or another choice of the user's, nothing
    changes; nor where PyTorch is loaded already, which reads it only then.
    """
    if "torch" in sys.modules or any(name in os.environ for name in CHOSEN) or (os.cpu_count() or 1) == 1:
        return
    busy = busy_cores()
    if busy is not None and busy > BUSY:
        os.environ[POLICY] = "PASSIVE"
        say(f"other programs keep {busy:.1f} cores busy: PyTorch's threads sleep while they wait for each other")

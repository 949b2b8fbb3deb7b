"""Learning rate over the run: linear warm-up, then a cosine to zero."""

from __future__ import annotations

import math


def rate(progress: float, warmup: float) -> float:
    """Factor on the peak rate at `progress` (0..1) through the run, the first `warmup` share of it rising."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))

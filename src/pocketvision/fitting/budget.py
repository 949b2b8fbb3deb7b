"""Is the budget kept? Yes, no, or: the machine was too busy to tell. And how much of it a choice may take."""

from __future__ import annotations

from collections.abc import Iterable

from pocketvision.measure import watch
from pocketvision.measure.latency import Latency

HEADROOM = 0.97  # of the budget: what ships is timed anew after training, and gives way in resolution if need be
# Others who use the memory and the caches meanwhile make the same network slower from one minute to the next, mostly by
# 13 % at most (experiments/busy/table.md), which no statistics of the scheduler tell.
BUSY_HEADROOM = 0.87


def headroom_here() -> float:
    """What a choice may take of a budget on this machine, as busy as it is now."""
    busy = watch.busy_cores()
    return HEADROOM if busy is None or busy <= watch.BUSY else BUSY_HEADROOM


def is_kept(latency: Latency, budget_ms: float) -> bool | None:
    """Does a network with this latency keep the budget? None where the measurement cannot tell.

    A measurement that other programs have spoiled tells only what lies outside of its bounds.
    """
    if latency.reliable:
        return latency.high_ms <= budget_ms
    return None if latency.least_ms <= budget_ms < latency.most_ms else latency.most_ms <= budget_ms


def best_of(looks: Iterable[Latency]) -> Latency:
    """Of several measurements of one network the one to believe: other work on the machine only adds time."""
    return min(looks, key=lambda latency: (not latency.reliable, latency.high_ms))

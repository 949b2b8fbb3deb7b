"""Is the budget kept? Yes, no, or: the machine was too busy to tell. And how much of it a choice may take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pocketvision.measure import watch
from pocketvision.measure.latency import Latency

HEADROOM = 0.97  # of the budget: what ships is timed anew after training, and gives way in resolution if need be
# Others who use the memory and the caches meanwhile make the same network slower from one minute to the next, mostly by
# 13 % at most (experiments/busy/table.md), which no statistics of the scheduler tell.
BUSY_HEADROOM = 0.87
# And rarely by a quarter. More than `latency.RELIABLE`, so that no latency from a busy machine passes for a figure.
SLOWED = 1.3
FILE_LOOKS = 8  # measurements of the file that ships at most, while it does not surely keep the budget


def headroom_here() -> float:
    """What a choice may take of a budget on this machine, as busy as it is now."""
    busy = watch.busy_cores()
    return HEADROOM if busy is None or busy <= watch.BUSY else BUSY_HEADROOM


def beside_others(latency: Latency, busy: float | None) -> Latency:
    """What a look is worth that was taken while other programs used `busy` cores (None: not known).

    On a busy machine the network alone may be faster by SLOWED than its calls ever showed, and is not slower: what
    keeps a budget even then does keep it, and what misses by less may keep it.
    """
    if busy is None or busy <= watch.BUSY:
        return latency
    most = latency.high_ms if latency.reliable else latency.most_ms
    return replace(latency, least_ms=min(latency.least_ms, latency.low_ms / SLOWED), most_ms=most)


def is_kept(latency: Latency, budget_ms: float) -> bool | None:
    """Does a network with this latency keep the budget? None where the measurement cannot tell.

    A measurement that other programs have spoiled tells only what lies outside of its bounds.
    """
    if latency.reliable:
        return latency.high_ms <= budget_ms
    return None if latency.least_ms <= budget_ms < latency.most_ms else latency.most_ms <= budget_ms


def until_kept(look: Callable[[int], dict[str, Any]], budget_ms: float) -> dict[str, Any]:
    """Of up to FILE_LOOKS measurements, the last of which keeps the budget if one does, the one to believe.

    `look` is given its number, from 1, and returns the JSON of a Latency, with other fields beside.
    """
    found: dict[Latency, dict[str, Any]] = {}
    for number in range(1, FILE_LOOKS + 1):
        row = look(number)
        latency = Latency.from_json(row)
        found[latency] = row
        if is_kept(latency, budget_ms):
            break
    return found[best_of(found, budget_ms)]


def best_of(looks: Iterable[Latency], budget_ms: float) -> Latency:
    """Of several measurements of one network the one to believe: other work on the machine only adds time."""
    return min(looks, key=lambda look: (is_kept(look, budget_ms) is not True, not look.reliable, look.high_ms))

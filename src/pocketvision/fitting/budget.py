"""Is the budget kept? Yes, no, or: the machine was too busy to tell."""

from __future__ import annotations

from collections.abc import Iterable

from pocketvision.measure.latency import Latency


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

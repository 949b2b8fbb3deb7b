"""Of timed calls, those that count: what they say of the same call on a quiet machine.

Pure functions of `TimedCall`s. A call that waited for a CPU is left out; where too few others remain it is corrected by
the time that it waited, which is exact as long as one thread works at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pocketvision.measure.calls import TimedCall

TOLERANCE = 0.01  # of a call: waiting that is not worth a word
LEAST_WAIT = 5e-6  # s: what reading the clocks takes, and waking up

Rounds = Sequence[Sequence[TimedCall]]


def is_undisturbed(call: TimedCall) -> bool:
    """Its threads ran whenever they could. Where the system does not tell, no call is known to be disturbed."""
    return call.waited is None or call.waited <= max(LEAST_WAIT, TOLERANCE * call.wall)


def disturbed_share(calls: Iterable[TimedCall]) -> float | None:
    """Which part of the calls waited for a CPU; None where the system does not tell."""
    found = list(calls)
    if any(call.waited is None for call in found):
        return None
    return sum(not is_undisturbed(call) for call in found) / len(found)


def corrected(call: TimedCall) -> float:
    """Seconds of the call without what it waited. With several threads at work that is not known: its wall time."""
    return call.wall if call.waited is None or not call.serial else call.least


def counted(turn: Sequence[TimedCall]) -> list[float]:
    """Seconds of the calls of one turn that count: the undisturbed ones, else all, corrected."""
    undisturbed = [call.wall for call in turn if is_undisturbed(call)]
    return undisturbed or [corrected(call) for call in turn]

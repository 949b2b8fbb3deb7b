"""Of timed calls, those that count: what they say of the same call on a quiet machine.

Pure functions of `TimedCall`s. A call is clear if its threads have run all the time since its turn began. Where clear
calls are not half of all, those count that did not wait themselves, whatever was before them; and where these too are
few, every call without the time that its thread waited. Such times are too long, never too short: after a wait the
caches are cold for some 2 ms, and others use the memory meanwhile. So their low end is the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from pocketvision.measure.calls import LEAST_WAIT, TimedCall

TOLERANCE = 0.01  # of a call: waiting that is not worth a word
CLEAR_SHARE = 0.5  # of the calls that must be clear: on a busier machine also those before a wait run cold
UNDISTURBED_SHARE = 0.2  # with fewer such calls, all are corrected
LOW_END = 0.1  # of the times that count, where calls are not clear
RESOLUTION = 1e-6  # s: of a short call that waited for long, the difference is lost in the clocks

Rounds = Sequence[Sequence[TimedCall]]


def is_undisturbed(call: TimedCall) -> bool:
    """Its threads ran whenever they could. Where the system does not tell, no call is known to be disturbed."""
    return call.waited is None or call.waited <= max(LEAST_WAIT, TOLERANCE * call.wall)


def is_clear(call: TimedCall) -> bool:
    """Undisturbed, and so was its turn until then: the caches are as the network itself has left them."""
    return is_undisturbed(call) and math.isinf(call.after)


def are_clear(calls: Sequence[TimedCall]) -> bool:
    """Whether so many of the calls are clear that these show what the network takes in quiet."""
    return sum(map(is_clear, calls)) >= CLEAR_SHARE * len(calls)


def disturbed_share(calls: Iterable[TimedCall]) -> float | None:
    """Which part of the calls waited for a CPU; None where the system does not tell it of most of them."""
    found = list(calls)
    told = [call for call in found if call.waited is not None]
    if 2 * len(told) <= len(found):
        return None
    return sum(not is_undisturbed(call) for call in told) / len(told)


def corrected(call: TimedCall) -> float:
    """Seconds of the call without what it waited. With several threads at work that is not known: its wall time."""
    return max(call.least, RESOLUTION) if call.serial else call.wall


def busy_seconds(calls: Sequence[TimedCall]) -> list[float]:
    """Seconds of the calls that count where few are clear."""
    undisturbed = [call.wall for call in calls if is_undisturbed(call)]
    if len(undisturbed) >= max(1, UNDISTURBED_SHARE * len(calls)):
        return undisturbed
    return [corrected(call) for call in calls]


def part_of(call: TimedCall, seconds: float) -> TimedCall:
    """A part of `call` that took `seconds`, as clear as the call is. Where it waited, the part may have or not."""
    return TimedCall(seconds, 0.0, call.serial, call.after if is_undisturbed(call) else 0.0)


def turn_seconds(turn: Sequence[TimedCall]) -> float:
    """Seconds of a call by one turn: the median of its clear calls, or the low end of all, corrected."""
    if are_clear(turn):
        return median(call.wall for call in turn if is_clear(call))
    return quantile(busy_seconds(turn), LOW_END)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which lies `share` of them, linear between neighbours (Hyndman & Fan's definition 7)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def quantile_interval(values: Sequence[float], share: float, confidence: float) -> tuple[float, float]:
    """Confidence interval of the `share` quantile from order statistics (David & Nagaraja, section 7.1).

    [x_(a), x_(b)] covers it with probability P(a <= B < b), B binomial with n trials of `share`; on each side half of
    what `confidence` leaves is cut off, or less where the sample ends.
    """
    ordered, n = sorted(values), len(values)
    # By logarithms: of a thousand calls the coefficients are too large for a float.
    ways = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1)]
    each = [math.exp(log + k * math.log(share) + (n - k) * math.log1p(-share)) for k, log in enumerate(ways)]
    cut = (1 - confidence) / 2
    low = next(k for k in range(n + 1) if sum(each[: k + 1]) > cut)
    high = next(k for k in range(n + 1) if sum(each[: k + 1]) >= 1 - cut)
    return ordered[max(low, 1) - 1], ordered[min(high, n - 1)]

"""Where one call of a network spends its time: the operations that an engine ran, each with its place in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any, TypeVar

from pocketvision.measure.kinds import AFTER, BEFORE, TIME_KINDS
from pocketvision.measure.latency import Latency
from pocketvision.measure.quiet import Rounds, is_clear

Run = TypeVar("Run")
Average = Callable[[Iterable[float]], float]


@dataclass(frozen=True)
class Operation:
    """An operation that ran: `row` as in the profile (an index, "head", BEFORE or AFTER) and its place inside the row.

    `part` is the module inside the row ("depthwise", "" for the row's own); `kernel` the sides of a convolution's;
    `squeeze` whether it belongs to a squeeze-and-excite; `name` as the engine calls it.
    """

    row: int | str
    part: str
    kind: str
    ms: float
    name: str
    kernel: tuple[int, ...] = ()
    squeeze: bool = False

    def to_json(self) -> dict[str, Any]:
        """`{part, kind, ms, name, kernel, squeeze}`."""
        return {
            "part": self.part,
            "kind": self.kind,
            "ms": self.ms,
            "name": self.name,
            "kernel": list(self.kernel),
            "squeeze": self.squeeze,
        }


@dataclass(frozen=True)
class Spent:
    """The whole call as `time_interleaved` finds it without any profile, and its operations, measured in other calls.

    The operations' times are their own: nothing scales them to the whole. `how` says in a sentence what was done to
    them; `overhead_ms` is what was taken off (below zero: added to) each operation for the profile itself.
    """

    whole: Latency
    operations: tuple[Operation, ...]
    version: str
    how: str
    overhead_ms: float = 0.0

    @property
    def sum_ms(self) -> float:
        return total(self.operations)

    @property
    def between_ms(self) -> float:
        """What no operation accounts for: the call itself and the steps between operations; below 0 only by noise."""
        return self.whole.median_ms - self.sum_ms

    def of_row(self, row: int | str) -> tuple[Operation, ...]:
        return tuple(operation for operation in self.operations if operation.row == row)

    def by_kind(self) -> dict[str, float]:
        """ms in the rows by kind, for all of TIME_KINDS."""
        found = dict.fromkeys(TIME_KINDS, 0.0)
        for operation in self.operations:
            if operation.row not in (BEFORE, AFTER):
                found[operation.kind] += operation.ms
        return found


def usual_runs(runs: Sequence[Run], rounds: Rounds, total: Callable[[Run], float]) -> tuple[list[Run], Average]:
    """Of the runs of a call that `take_rounds` timed as `rounds`, the middle half by their total, and how to average.

    The mean of a part over these is the part of a usual run: such parts add up to a usual whole, which medians of
    single parts do not where a machine interrupts now this part and now that. `runs` are all since the call was made;
    what went before the rounds, and the first of each turn, which refills the caches, is left out, and so are runs that
    waited for a CPU or came after a wait. Where a quarter or less would remain, it is the quarter with the least totals
    (at least one), and the median of a part: few runs waited in that very part.
    """
    timed = runs[len(runs) - sum(1 + len(turn) for turn in rounds) :]
    calls = [call for turn in rounds for call in (None, *turn)]  # None: the one that is not counted
    found = [(run, call) for run, call in zip(timed, calls, strict=True) if call is not None]
    clear = sorted((run for run, call in found if is_clear(call)), key=total)
    if 4 * len(clear) <= len(found):
        return sorted((run for run, _ in found), key=total)[: max(1, len(found) // 4)], median
    cut = len(clear) // 4
    return clear[cut : len(clear) - cut], mean


def total(operations: Iterable[Operation]) -> float:
    """Their ms together."""
    return sum(operation.ms for operation in operations)

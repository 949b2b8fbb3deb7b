"""Where one call of a network spends its time: the operations that an engine ran, each with its place in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pocketvision.measure.latency import Latency
from pocketvision.measure.parts import KINDS

# What an engine does besides the kinds of layer: channel shuffles, concatenations, splits and the arithmetic of their
# shapes; and changes of the layout in memory that only the engine's own kernels ask for.
TIME_KINDS = (*KINDS, "shuffle", "layout")
Run = TypeVar("Run")
BEFORE, AFTER = "input", "output"  # what is done to the pixels before the first row, and to the logits


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


def usual_runs(runs: Sequence[Run], latency: Latency, total: Callable[[Run], float]) -> list[Run]:
    """Of the runs of a call that `time_interleaved` timed, the middle half by their total.

    The mean of a part over these is the part of a usual run: such parts add up to a usual whole, which medians of
    single parts do not where a machine interrupts now this part and now that. `runs` are all since the call was made;
    what went before the rounds, and the first of each turn, which refills the caches, is left out.
    """
    turn = 1 + latency.calls // latency.rounds
    timed = runs[len(runs) - turn * latency.rounds :]
    ordered = sorted((run for number, run in enumerate(timed) if number % turn), key=total)
    cut = len(ordered) // 4
    return ordered[cut : len(ordered) - cut]


def total(operations: Iterable[Operation]) -> float:
    """Their ms together."""
    return sum(operation.ms for operation in operations)

"""What a latency table says about a network: a prediction with its error, and the check against a measurement."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pocketvision.measure.pieces import Piece
from pocketvision.measure.rowtimes import SHAKY, RowTime
from pocketvision.spec import Spec
from pocketvision.units import percent

GUESS_ERROR = 0.3  # of a piece's time that was guessed from another's


@dataclass(frozen=True)
class Prediction:
    """Milliseconds of one call, and between which times 95 % of the table's checked predictions of it would lie.

    `missing` pieces are not in the table and were guessed from similar ones; 0 unless timing them was forbidden.
    """

    ms: float
    low: float
    high: float
    missing: int = 0


@dataclass(frozen=True)
class Check:
    """A prediction beside the measurement that checked it, which is given at the speed that the table was made at.

    `drift` is the reference networks' time now over its time in the table: above 1 the machine is slower now.
    """

    name: str
    prediction: Prediction
    measured: float
    low: float
    high: float
    drift: float

    @property
    def error(self) -> float:
        """(predicted - measured) / measured."""
        return self.prediction.ms / self.measured - 1

    def __str__(self) -> str:
        p = self.prediction
        return (
            f"{self.name}: predicted {p.ms:.3g} ms ({p.low:.3g} to {p.high:.3g}), measured {self.measured:.3g} ms "
            f"({self.low:.3g} to {self.high:.3g}), error {'+' * (self.error >= 0)}{percent(self.error)}; "
            f"this machine now takes {self.drift:.2f} of the time that it took for the table"
        )


@dataclass(frozen=True)
class Known:
    """A piece's entry: its time at the table's speed, and what it costs."""

    time: RowTime
    kind: str
    macs: int
    mac_bytes: int


@dataclass(frozen=True)
class Whole:
    """A network that was timed as a whole, at the table's speed."""

    spec: Spec
    ms: float
    low_ms: float
    high_ms: float

    @property
    def width(self) -> float:
        """Of the interval, in ms."""
        return self.high_ms - self.low_ms

    @property
    def is_shaky(self) -> bool:
        """The machine was too busy for a clear answer."""
        return self.width > SHAKY * self.ms


def guess(piece: Piece, known: Iterable[Known]) -> RowTime:
    """The time of the known piece of the same kind (else of any) whose costs are nearest, by their ratio."""
    kind, everyone = piece.kind, list(known)
    candidates = [other for other in everyone if other.kind == kind] or everyone
    if not candidates:
        return RowTime(0.0, 0.0, 0.0, 0)

    def apart(other: Known) -> float:
        return abs(_log(piece.macs, other.macs)) + abs(_log(piece.mac_bytes, other.mac_bytes))

    nearest = min(candidates, key=apart)
    share = math.exp((_log(piece.macs, nearest.macs) + _log(piece.mac_bytes, nearest.mac_bytes)) / 2)
    return RowTime(nearest.time.ms * share, 0.0, 0.0, nearest.time.nodes)


def _log(a: int, b: int) -> float:
    return math.log((a + 1) / (b + 1))

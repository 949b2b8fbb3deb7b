"""FlatBuffers as a reader sees them: tables of fields by number. Every position that a file names is checked first."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


class Bytes:
    """The file, read at checked positions only."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, kind: str, position: int) -> Any:
        if not 0 <= position <= len(self.data) - struct.calcsize(kind):
            raise ValueError(f"it names byte {position:,} of {len(self.data):,}")
        return struct.unpack_from(kind, self.data, position)[0]

    def follow(self, position: int) -> int:
        """Where the offset that stands at `position` leads."""
        return position + self.number("<I", position)

    def array(self, position: int, kind: str) -> np.ndarray[Any, Any]:
        """The vector at `position`: its length, then its numbers."""
        length, size = self.number("<I", position), np.dtype(kind).itemsize
        if length * size > len(self.data) - position - 4:
            raise ValueError(f"{length:,} entries at byte {position:,} of {len(self.data):,}")
        return np.frombuffer(self.data, kind, length, position + 4)


class Table:
    """A FlatBuffer table: fields by number, each of them possibly left out."""

    def __init__(self, source: Bytes, position: int) -> None:
        self.source, self.position = source, position
        self.fields = position - source.number("<i", position)
        self.size = source.number("<H", self.fields)

    def place(self, field: int) -> int:
        """Where the field's content stands; 0 when it was left out."""
        entry = 4 + 2 * field
        offset = self.source.number("<H", self.fields + entry) if entry + 2 <= self.size else 0
        return self.position + offset if offset else 0

    def number(self, field: int, kind: str, default: int = 0) -> int:
        place = self.place(field)
        return int(self.source.number(kind, place)) if place else default

    def real(self, field: int, kind: str, default: float) -> float:
        place = self.place(field)
        return float(self.source.number(kind, place)) if place else default

    def table(self, field: int) -> Table:
        place = self.place(field)
        if not place:
            raise ValueError(f"field {field} of the table at byte {self.position:,} is missing")
        return Table(self.source, self.source.follow(place))

    def tables(self, field: int) -> list[Table]:
        place = self.place(field)
        if not place:
            return []
        start = self.source.follow(place)
        offsets = self.source.array(start, "<u4").tolist()
        return [Table(self.source, start + 4 + 4 * index + offset) for index, offset in enumerate(offsets)]

    def array(self, field: int, kind: str) -> np.ndarray[Any, Any]:
        place = self.place(field)
        return self.source.array(self.source.follow(place), kind) if place else np.empty(0, kind)

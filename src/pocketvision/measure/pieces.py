"""What a latency table has an entry for: a row of a network's table on its input, the head, and what comes first.

A network's time is nearly the sum of its pieces' times, and the same piece stands in many networks.
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.rowtimes import PIXELS
from pocketvision.spec import Conventions, Head, Row, Rows, Spec

Shape = tuple[int, ...]  # C, H, W


@dataclass(frozen=True)
class Piece:
    """`line` of a table on an `input` map; None: what makes the network's input from pixels.

    `image` is the input (C, H, W) of the network that the piece was met in; it does not count for the `key`, except
    that the row that reads the image itself is another one than the same row inside.
    """

    line: Row | Head | None
    input: Shape
    output: Shape
    image: Shape
    conventions: Conventions
    name: int | str  # in its network: the row's index, "head" or "pixels"
    macs: int = 0
    mac_bytes: int = 0

    @property
    def key(self) -> str:
        """`Bneck(kernel=3, ...) on 24x56x56`: what decides about its time, as a person can read it."""
        line = PIXELS if self.line is None else repr(self.line)
        where = f"{line} on {'x'.join(map(str, self.input))}"
        padding = "" if self.line is None or self.conventions.padding == "torch" else f", {self.conventions.padding}"
        return where + padding + (", first" if self.name == 0 else "")

    @property
    def kind(self) -> str:
        """The line's class, or "pixels"."""
        return PIXELS if self.line is None else type(self.line).__name__


def pieces(spec: Spec) -> list[Piece]:
    """The pieces of a network in order: "pixels", the rows of its trunk, the head (with softmax behind it)."""
    image = (spec.channels, *spec.size)
    found = [Piece(None, image, image, image, spec.conventions, PIXELS)]
    lines: tuple[Row | Head, ...] = (*spec.trunk, spec.head)
    for line, costs in zip(lines, count_spec(spec).rows, strict=True):
        sizes = (costs.input, costs.output, image)
        found.append(Piece(line, *sizes, spec.conventions, costs.row, costs.macs, costs.mac_bytes))
    return found


def distinct(found: list[Piece]) -> dict[str, Piece]:
    """By key, each piece once, in the order in which they are met."""
    known: dict[str, Piece] = {}
    for piece in found:
        known.setdefault(piece.key, piece)
    return known


def rows_of(chain: list[Piece | Row]) -> Rows:
    """The trunk that a list of pieces and rows between them makes."""
    return tuple(item.line if isinstance(item, Piece) else item for item in chain)  # type: ignore[misc]

"""Networks to time pieces in: the pieces of many tables threaded onto one chain, shaped like a network.

Where the next piece wants another map than the last one leaves, a 1x1 convolution stands between them; it is timed
and forgotten. A chain is filled up with pieces that are known already, so that its weights crowd the caches as those
of a network do, and it ends in a real head: weights that stay in the second-level cache cost less than they will. Wide
pieces stand among wide ones and narrow among narrow ones: the maps of a wide neighbour empty the caches too.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pocketvision.blocks import Conv
from pocketvision.measure.pieces import Piece, Shape, rows_of
from pocketvision.measure.rowtimes import HEAD, PIXELS
from pocketvision.spec import Head, Row, Spec

PER_SIZE = 4  # rows of one map size in a chain, as in a stage of a network; a piece that strides comes on top
STEM = 16  # channels of the convolution that stands in for a stem


@dataclass(frozen=True)
class Chain:
    """A network, and which of its parts is which piece. Parts without one are only there to connect."""

    spec: Spec
    pieces: dict[int | str, Piece]


def chains(wanted: Iterable[Piece], filling: Iterable[Piece] = (), seed: int = 0) -> list[Chain]:
    """Chains in which each of the `wanted` pieces stands once, and `filling` (also wanted ones) any number of times.

    One of them must be a head: every chain ends in one.
    """
    wanted, filling = list(wanted), list(filling)
    spare = next((piece for piece in [*filling, *wanted] if piece.name == HEAD), None)
    groups: dict[tuple[object, ...], list[Piece]] = defaultdict(list)
    others: dict[tuple[object, ...], list[Piece]] = defaultdict(list)
    for into, found in ((groups, wanted), (others, filling)):
        for piece in found:
            into[piece.image, piece.conventions].append(piece)
    made: list[Chain] = []
    for group, found in groups.items():
        thread = _Thread(found, others[group], spare, random.Random(seed))
        while thread.left:
            made.append(thread.chain())
    return made


class _Thread:
    """Takes the pieces of one image size one after the other."""

    def __init__(self, wanted: list[Piece], filling: list[Piece], spare: Piece | None, rng: random.Random) -> None:
        assert spare, "a network has a head, and so have its pieces"
        self.spare: Head = spare.line  # type: ignore[assignment]
        self.image, self.conventions, self.rng = wanted[0].image, wanted[0].conventions, rng
        self.left = list(wanted)
        rng.shuffle(self.left)
        self.filling = filling

    def chain(self) -> Chain:
        """The next chain. It takes at least one wanted piece: if none can be reached, on an image of its own size."""
        before = len(self.left)
        items = self._rows(self.image)
        head = self._head(items)
        if len(self.left) == before and not self._pixels():
            return self._alone(self.left.pop())
        return self._made(items, head, self.image)

    def _made(self, items: list[Piece | Row], head: Piece | Head, image: Shape) -> Chain:
        found: dict[int | str, Piece] = {i: item for i, item in enumerate(items) if isinstance(item, Piece)}
        if isinstance(head, Piece):
            found[HEAD] = head
        if image == self.image:
            self.left = [piece for piece in self.left if piece.name != PIXELS]
            found[PIXELS] = Piece(None, image, image, image, self.conventions, PIXELS)
        last = head.line if isinstance(head, Piece) else head
        spec = Spec("chain", rows_of(items), last, image[1:], image[0], self.conventions)  # type: ignore[arg-type]
        return Chain(spec, found)

    def _pixels(self) -> bool:
        return any(piece.name == PIXELS for piece in self.left)

    def _rows(self, image: Shape) -> list[Piece | Row]:
        """From the image down to the smallest map."""
        first = self._take(lambda piece: piece.name == 0) or self._fill(lambda piece: piece.name == 0)
        items: list[Piece | Row]
        if first:
            items, shape = [first], first.output
        else:
            same_size = any(self._inner(piece) and piece.input[1:] == image[1:] for piece in self.left)
            items = [Conv(3, STEM, "relu", 1 if same_size else 2)]
            shape = (STEM, *(image[1:] if same_size else _halved(image[1:])))
        while True:
            shape = self._stage(items, shape)
            if not self._below(shape):
                return items
            # Down to the next size: a piece that strides, else a convolution.
            strided = self._next(shape, True) or self._filler(shape, True)
            if strided:
                shape = _append(items, shape, strided)
            else:
                items.append(Conv(1, shape[0], "linear", 2))
                shape = (shape[0], *_halved(shape[1:]))

    def _stage(self, items: list[Piece | Row], shape: Shape) -> Shape:
        """Pieces that keep the size of the map."""
        for number in range(PER_SIZE):
            piece = self._next(shape, False) or (self._filler(shape, False) if number < 2 else None)
            if piece is None:
                break
            shape = _append(items, shape, piece)
        return shape

    def _next(self, shape: Shape, strides: bool) -> Piece | None:
        """A wanted piece for this map."""
        return self._take(lambda p: _fits(p, shape, strides), shape)

    def _filler(self, shape: Shape, strides: bool) -> Piece | None:
        return self._fill(lambda p: _fits(p, shape, strides), shape)

    def _below(self, shape: Shape) -> bool:
        """Whether something of this group has a smaller map than `shape`, so that the chain must go on."""
        sizes = {piece.input[1:] for piece in [*self.left, *self.filling] if piece.name != PIXELS}
        return any(size[0] < shape[1] or size[1] < shape[2] for size in sizes) and max(shape[1:]) > 1

    def _head(self, items: list[Piece | Row]) -> Piece | Head:
        """A head on the last map, through a convolution where it wants other channels."""
        shape = _shape_after(items, self.image)
        head = self._take(lambda p: p.name == HEAD and p.input[1:] == shape[1:], shape)
        head = head or self._fill(lambda p: p.name == HEAD and p.input[1:] == shape[1:], shape)
        if head is None:
            return self.spare
        if head.input != shape:
            items.append(Conv(1, head.input[0], "linear"))
        return head

    def _alone(self, piece: Piece) -> Chain:
        """A piece whose map halvings of the image do not reach (rows without padding): on an image of that size."""
        image = (self.image[0], *piece.input[1:])
        items: list[Piece | Row] = [Conv(3, piece.input[0], "relu", 1)]
        if piece.name == HEAD:
            return self._made(items, piece, image)
        return self._made([*items, piece], self.spare, image)

    def _take(self, suits: Callable[[Piece], bool], shape: Shape | None = None) -> Piece | None:
        """A wanted piece, which is wanted no more."""
        piece = self._nearest([piece for piece in self.left if suits(piece)], shape)
        if piece:
            self.left.remove(piece)
        return piece

    def _fill(self, suits: Callable[[Piece], bool], shape: Shape | None = None) -> Piece | None:
        return self._nearest([piece for piece in self.filling if suits(piece)], shape)

    def _nearest(self, found: list[Piece], shape: Shape | None) -> Piece | None:
        """Any of those whose channels are nearest to the map's, by their ratio; of the others any."""
        if not found:
            return None
        least = min(_apart(piece, shape) for piece in found)
        return self.rng.choice([piece for piece in found if _apart(piece, shape) == least])

    def _inner(self, piece: Piece) -> bool:
        return piece.name not in (0, HEAD, PIXELS)


def _fits(piece: Piece, shape: Shape, strides: bool) -> bool:
    inner = piece.name not in (0, HEAD, PIXELS)
    return inner and piece.input[1:] == shape[1:] and (piece.output[1:] != piece.input[1:]) == strides


def _apart(piece: Piece, shape: Shape | None) -> float:
    return abs(math.log(piece.input[0] / shape[0])) if shape else 0.0


def _append(items: list[Piece | Row], shape: Shape, piece: Piece) -> Shape:
    if piece.input != shape:
        items.append(Conv(1, piece.input[0], "linear"))
    items.append(piece)
    return piece.output


def _halved(size: Shape) -> Shape:
    return tuple(-(-side // 2) for side in size)


def _shape_after(items: list[Piece | Row], image: Shape) -> Shape:
    shape = image
    for item in items:
        if isinstance(item, Piece):
            shape = item.output
        else:
            size = _halved(shape[1:]) if item.stride == 2 else shape[1:]
            shape = (item.out, *size)
    return shape

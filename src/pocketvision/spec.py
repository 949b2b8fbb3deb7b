"""The paper's table is the network: an architecture is a tuple of frozen rows.

A `Row` is one line of the table, with absolute channel numbers. From the rows alone a network is built, counted,
scaled, saved and rebuilt. Rows never change; whatever changes an architecture is a function from rows to rows.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pocketvision.errors import InputError

if TYPE_CHECKING:
    from torch import nn


Padding = Literal["torch", "tf_same"]
Init = Literal["kaiming", "glorot"]  # He's normal over fan out; Glorot's uniform


@dataclass(frozen=True)
class Conventions:
    """What differs between sources of weights for the same table."""

    bn_eps: float = 1e-5
    bn_momentum: float = 0.1  # PyTorch's sense: the share of the new batch
    padding: Padding = (
        "torch"  # of strided convolutions: alike on all sides, or "tf_same", where the odd pixel goes last
    )
    init: Init = "kaiming"


class Row(Protocol):
    """One line of the table: `out` channels, spatial `stride`, and how to build it on `cin` channels.

    `scaled` is the line at another width: `cin` are its input channels in the table, `scaled_cin` those that the scaled
    line before it has. Lines that hand their channels on have as many as come in.
    """

    @property
    def out(self) -> int: ...
    @property
    def stride(self) -> int: ...
    def build(self, cin: int, conventions: Conventions) -> nn.Module: ...
    def scaled(self, width: float, cin: int, scaled_cin: int) -> Row: ...


class Head(Protocol):
    """What a task adds to the trunk, as data; `build(cin)` gives the module on `cin` feature channels."""

    @property
    def classes(self) -> int: ...
    def build(self, cin: int) -> nn.Module: ...


Rows = tuple[Row, ...]


@dataclass(frozen=True)
class Variant:
    """Where a network comes from: a family of `models.MODELS` at a width, its own dial turned to `option`.

    `option` None: as in the family's table.
    """

    family: str
    width: float = 1.0
    option: int | str | None = None


@dataclass(frozen=True)
class Spec:
    """A whole architecture as data: `trunk` up to the last feature map, then a `head`.

    `resolution` is the side of the square input, or (height, width), in pixels; `channels` the input's channels.
    `name` is for people and is never parsed back: a network may be called anything. `origin` is the variant that its
    rows are, or were made from; None when it is of no family.
    """

    name: str
    trunk: Rows
    head: Head
    resolution: int | tuple[int, int] = 224
    channels: int = 3
    conventions: Conventions = field(default_factory=Conventions)
    origin: Variant | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Input height and width in pixels."""
        return self.resolution if isinstance(self.resolution, tuple) else (self.resolution, self.resolution)

    def to_json(self) -> str:
        """One JSON object; `Spec.from_json` gives an equal Spec back."""
        return json.dumps(_encode(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """Read what `to_json` wrote. InputError for anything else."""
        try:
            data = json.loads(text)
            return cls(
                name=str(data["name"]),
                trunk=tuple(_decode(row, _kinds()) for row in data["trunk"]),
                head=_decode(data["head"], _kinds()),
                resolution=tuple(data["resolution"]) if isinstance(data["resolution"], list) else data["resolution"],
                channels=data["channels"],
                conventions=Conventions(**data["conventions"]),
                origin=_origin(data),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"this is not a network description ({error!r}); was it written by a newer version?"
            ) from None


def _kinds() -> dict[str, type]:
    # The only place where the data layer asks which kinds exist, and only while reading a file.
    from pocketvision.blocks import ROWS
    from pocketvision.heads import HEADS

    return {**ROWS, **HEADS}


def _origin(data: dict[str, Any]) -> Variant | None:
    if "origin" in data:
        found = None if data["origin"] is None else Variant(**data["origin"])
        if found and not (isinstance(found.family, str) and isinstance(found.width, int | float) and found.width > 0):
            raise ValueError(f"its origin is {found}")
        return found
    # Files of earlier releases tell it by the name alone, which was the table's own then.
    from pocketvision.models.names import origin_of

    return origin_of(str(data["name"]))


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return fields if isinstance(value, (Spec, Conventions, Variant)) else {"kind": type(value).__name__, **fields}
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


def _decode(data: Any, kinds: dict[str, type]) -> Any:
    if isinstance(data, list):
        return tuple(_decode(item, kinds) for item in data)
    if not isinstance(data, dict):
        return data
    if data.get("kind") not in kinds:
        raise ValueError(f"unknown kind of row {data.get('kind')!r}; known: {', '.join(kinds)}")
    return kinds[data["kind"]](**{key: _decode(value, kinds) for key, value in data.items() if key != "kind"})


def total_stride(rows: Rows) -> int:
    """Input pixels per position of the last feature map."""
    return math.prod(row.stride for row in rows)


def widen(rows: Rows, width: float) -> Rows:
    """Width multiplier: every layer thinner (or wider) by the same factor."""
    scaled: list[Row] = []
    for i, row in enumerate(rows):
        # The first line reads the image, whose channels no width changes: any number stands for them.
        cin, scaled_cin = (rows[i - 1].out, scaled[-1].out) if i else (1, 1)
        scaled.append(row.scaled(width, cin, scaled_cin))
    return tuple(scaled)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, never more than 10 % below (the rule of the MobileNet authors' code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def small_input_stem(rows: Rows, resolution: int | tuple[int, int]) -> Rows:
    """For images of 64 px and below: drop the first halving, at 32 px and below the first two.

    A table made for 224 px halves five times: 32 px would end in a single position after losing most of the image.
    Only strides change, so weights of the original table still fit.
    """
    side = min(resolution) if isinstance(resolution, tuple) else resolution
    spare = 2 if side <= 32 else 1 if side <= 64 else 0
    changed = []
    for row in rows:
        if spare and row.stride == 2:
            row, spare = dataclasses.replace(row, stride=1), spare - 1  # type: ignore[type-var]
        changed.append(row)
    return tuple(changed)

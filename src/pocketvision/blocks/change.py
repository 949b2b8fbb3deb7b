"""What any table can be given: another activation, squeeze-and-excite, another stem. Functions from rows to rows."""

from __future__ import annotations

import dataclasses
from typing import Any

from pocketvision.blocks.activations import Activation, Gate
from pocketvision.blocks.conv import Conv
from pocketvision.blocks.inverted_residual import Bneck
from pocketvision.blocks.plain import Plain
from pocketvision.blocks.pool import MaxPool
from pocketvision.blocks.shuffle_v2 import ShuffleV2
from pocketvision.blocks.squeeze_excite import Excite
from pocketvision.errors import InputError
from pocketvision.spec import Row, Rows, make_divisible
from pocketvision.units import counted

STEM_KINDS = (Conv, Plain, MaxPool)  # what stands before the first block of a table, and is no block itself


def _has(row: Row, name: str) -> bool:
    return any(field.name == name for field in dataclasses.fields(row))  # type: ignore[arg-type]


def _replace(row: Row, **changes: Any) -> Row:
    return dataclasses.replace(row, **changes)  # type: ignore[type-var]


def changed(rows: Rows, kind: type, **fields: Any) -> Rows:
    """Every row of one kind with other values in some of its columns. InputError when the table has no such row."""
    if not any(isinstance(row, kind) for row in rows):
        kinds = ", ".join(dict.fromkeys(type(row).__name__ for row in rows))
        raise InputError(f"this table has no row {kind.__name__} ({kinds}): nothing of it would change")
    return tuple(_replace(row, **fields) if isinstance(row, kind) else row for row in rows)


def with_kernel_at_most(rows: Rows, side: int) -> Rows:
    """Every larger kernel of the table becomes `side` x `side`."""
    return tuple(_replace(row, kernel=side) if getattr(row, "kernel", side) > side else row for row in rows)


def with_activation(rows: Rows, act: Activation) -> Rows:
    """Every activation of the table becomes `act`; linear lines stay linear."""
    return tuple(_replace(row, act=act) if getattr(row, "act", "linear") != "linear" else row for row in rows)


def with_squeeze_excite(rows: Rows, gate: Gate = "sigmoid", ratio: int = 16) -> Rows:
    """Squeeze-and-excite in every block of the table, its bottleneck the `ratio`-th part of the channels it scales.

    Where a block has a place for it, there (V2's on the wide side, as V3 has it), else as a line behind the block.
    Lines before the first block, 1x1 convolutions and poolings stay as they are.
    """
    length = _stem_length(rows)
    changed: list[Row] = []
    for i, row in enumerate(rows):
        changed.append(row)
        if i < length or isinstance(row, Excite | MaxPool) or getattr(row, "kernel", 3) == 1:
            continue
        if _has(row, "squeeze") and _has(row, "gate"):
            wide = row.expand if isinstance(row, Bneck) else row.out // 2 if isinstance(row, ShuffleV2) else row.out
            changed[-1] = _replace(row, squeeze=make_divisible(wide / ratio), gate=gate)
        else:
            changed.append(Excite(row.out, make_divisible(row.out / ratio), gate))
    return tuple(changed)


def without_squeeze_excite(rows: Rows) -> Rows:
    """The same table without any squeeze-and-excite."""
    kept = (row for row in rows if not isinstance(row, Excite))
    return tuple(_replace(row, squeeze=0) if _has(row, "gate") else row for row in kept)


def with_gate(rows: Rows, gate: Gate) -> Rows:
    """The same table with another gate in every squeeze-and-excite."""
    return tuple(_replace(row, gate=gate) if _has(row, "gate") else row for row in rows)


def with_stem(rows: Rows, stem: Rows) -> Rows:
    """`stem` instead of the lines before the first block.

    InputError when it ends in another number of channels: the first block is made for those of its own stem.
    """
    length = _stem_length(rows)
    if not stem or rows[length - 1].out != stem[-1].out:
        ends = stem[-1].out if stem else 0
        raise InputError(f"this stem ends in {counted(ends, 'channel')}, the table needs {rows[length - 1].out}")
    return (*stem, *rows[length:])


def _stem_length(rows: Rows) -> int:
    """How many lines stand before the first block; in a table of convolutions alone the first line is the stem."""
    length = next((i for i, row in enumerate(rows) if not isinstance(row, STEM_KINDS)), len(rows))
    return length if length < len(rows) else 1

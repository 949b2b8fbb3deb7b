"""ShuffleNet (arXiv 1707.01083, table 1): grouped 1x1 convolutions, and a shuffle that mixes the groups."""

from __future__ import annotations

from dataclasses import replace

from pocketvision.blocks import Conv, MaxPool, ShuffleV1
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions, Row, Rows, make_divisible

# fmt: off
# Stages 2 to 4: the units, and the output channels for 1, 2, 3, 4 and 8 groups, chosen for equal cost.
UNITS = (4, 8, 4)
CHANNELS = {
    1: (144, 288,  576),
    2: (200, 400,  800),
    3: (240, 480,  960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}
# fmt: on


def trunk(groups: int) -> Rows:
    """The column of the table for so many groups."""
    rows: list[Row] = [Conv(3, 24, "relu", 2), MaxPool(3, 24)]
    for stage, (units, out) in enumerate(zip(UNITS, CHANNELS[groups], strict=True)):
        # The very first unit sees 24 channels: too few to be grouped (section 3.2).
        rows.append(ShuffleV1(out, groups, "relu", 2, first=1 if stage == 0 else None))
        rows += [ShuffleV1(out, groups, "relu", 1)] * (units - 1)
    return tuple(rows)


TRUNK = trunk(3)
HEAD = Classifier(1000, dropout=0.0)
CONVENTIONS = Conventions()


def widen(rows: Rows, width: float) -> Rows:
    """Width multiplier ("0.5x"): the groups must divide every layer, the stem too, which the first unit hands on."""
    groups = max(row.groups for row in rows if isinstance(row, ShuffleV1))
    stem, *others = rows
    first = replace(stem, out=make_divisible(stem.out * width, max(2, groups)))  # type: ignore[type-var]
    scaled: list[Row] = [first]
    for i, row in enumerate(others):
        scaled.append(row.scaled(width, rows[i].out, scaled[-1].out))
    return tuple(scaled)


def with_groups(rows: Rows, groups: int) -> Rows:
    """The table's other column: more groups, more channels, the same cost. InputError for other rows than its own."""
    turned: list[Row] = []
    for row in rows:
        if isinstance(row, ShuffleV1) and row.out in CHANNELS.get(row.groups, ()):
            turned.append(replace(row, groups=groups, out=CHANNELS[groups][CHANNELS[row.groups].index(row.out)]))
        elif isinstance(row, Conv | MaxPool):
            turned.append(row)
        else:
            raise InputError(f"{row} has no other column for {groups} groups: choose the groups before other changes")
    return tuple(turned)

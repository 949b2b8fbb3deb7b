"""ShuffleNet (arXiv 1707.01083, table 1): grouped 1x1 convolutions, and a shuffle that mixes the groups."""

from __future__ import annotations

from pocketvision.blocks import Conv, MaxPool, ShuffleV1
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
    stem = make_divisible(24 * width, max(2, groups))
    units = (row.scaled(width) for row in rows[2:] if isinstance(row, ShuffleV1))
    return (Conv(3, stem, "relu", 2), MaxPool(3, stem), *units)


def with_groups(rows: Rows, groups: int) -> Rows:
    """The table's other column: more groups, more channels, the same cost."""
    return trunk(groups)

"""ShuffleNetV2 (arXiv 1807.11164, table 5): made for time by four guidelines instead of for few multiply-adds."""

from __future__ import annotations

from dataclasses import replace

from pocketvision.blocks import Conv, MaxPool, ShuffleV2
from pocketvision.blocks.change import changed
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions, Row, Rows, make_divisible

# fmt: off
TRUNK = (
    #         k  out  act     s     input 224
    Conv(     3,   24, "relu", 2),
    MaxPool(  3,   24,         2),  # 112
    ShuffleV2(3,  116, "relu", 2),  # 56
    ShuffleV2(3,  116, "relu", 1),  # 28
    ShuffleV2(3,  116, "relu", 1),
    ShuffleV2(3,  116, "relu", 1),
    ShuffleV2(3,  232, "relu", 2),
    ShuffleV2(3,  232, "relu", 1),  # 14
    ShuffleV2(3,  232, "relu", 1),
    ShuffleV2(3,  232, "relu", 1),
    ShuffleV2(3,  232, "relu", 1),
    ShuffleV2(3,  232, "relu", 1),
    ShuffleV2(3,  232, "relu", 1),
    ShuffleV2(3,  232, "relu", 1),
    ShuffleV2(3,  464, "relu", 2),
    ShuffleV2(3,  464, "relu", 1),  # 7
    ShuffleV2(3,  464, "relu", 1),
    ShuffleV2(3,  464, "relu", 1),
    Conv(     1, 1024, "relu", 1),
)

# What the paper's other columns have instead of 116, 232, 464 and 1024. They are no multiples of one another.
COLUMNS = {
    0.5: {116:  48, 232:  96, 464: 192, 1024: 1024},
    1.5: {116: 176, 232: 352, 464: 704, 1024: 1024},
    2.0: {116: 244, 232: 488, 464: 976, 1024: 2048},
}
# fmt: on

HEAD = Classifier(1000, dropout=0.0)
CONVENTIONS = Conventions()


def widen(rows: Rows, width: float) -> Rows:
    """The paper's column where it has one, else every stage by the same factor; the stem stays, as in the paper."""
    column = COLUMNS.get(width, {})
    scaled: list[Row] = []
    in_stem = True
    for i, row in enumerate(rows):
        in_stem = in_stem and isinstance(row, Conv | MaxPool)
        if isinstance(row, ShuffleV2):
            scaled.append(row.with_out(column.get(row.out, make_divisible(row.out * width, 4))))
        elif isinstance(row, Conv) and row.kernel == 1 and not in_stem:
            scaled.append(replace(row, out=column.get(row.out, 1024 if width < 2 else make_divisible(row.out * width))))
        else:
            scaled.append(row if in_stem else row.scaled(width, rows[i - 1].out, scaled[-1].out))
    return tuple(scaled)


def with_residual(rows: Rows) -> Rows:
    """The appendix's variant: a shortcut around the branch of every unit that keeps the size."""
    return changed(rows, ShuffleV2, residual=True)

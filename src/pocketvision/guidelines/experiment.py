"""What an experiment is: networks that differ in one thing, and what is claimed of their times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pocketvision.blocks import Conv
from pocketvision.guidelines.published import Speeds
from pocketvision.heads import Classifier
from pocketvision.spec import Row, Spec

CLASSES = 10


@dataclass(frozen=True)
class Variant:
    """One line of an experiment's table: a network for each column. `widths` are the channels of the first column."""

    label: str
    specs: tuple[Spec, ...]
    widths: str = ""


@dataclass(frozen=True)
class Claim:
    """A guideline as a statement that a clock can refute: each of `slow` takes longer than its partner in `fast`.

    These are labels of the experiment's variants; `columns` are the indices of the columns that count, () for all.
    """

    name: str
    says: str
    slow: tuple[str, ...]
    fast: tuple[str, ...]
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """A table: `variants` by `columns`. Ratios are to the first variant.

    With `per_mac` times are compared per multiply-add, where the variants cannot have equally many. `note`: what has to
    be known to read the table.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    variants: tuple[Variant, ...]
    claims: tuple[Claim, ...]
    published: Mapping[str, Speeds] = field(default_factory=dict)
    per_mac: bool = False
    note: str = ""


def stack(name: str, cin: int, rows: tuple[Row, ...], resolution: int) -> Spec:
    """A network of `rows` on `cin` channels, behind a 1x1 convolution that makes these from three colours.

    The image is at the rows' own resolution, and a classifier of ten classes ends it. Both are timed too; they are less
    than 3 % of the multiply-adds wherever this is used.
    """
    return Spec(name, (Conv(1, cin, "linear"), *rows), Classifier(CLASSES), resolution)

"""The four experiments of ShuffleNetV2 (arXiv 1807.11164, section 2), at the channels of its ARM columns.

Those of the GPU columns are 1 to 4 times as many: in table 1 the ARM's x4 is the GPU's x1. Maps are 56 x 56 as in the
paper; its table 4 gives no size, and at 28 x 28 that table's ARM multiplies about as fast as in table 2. Convolutions
have a BatchNorm, which runtimes fold away, and no activation unless that is the question.
"""

from __future__ import annotations

from collections.abc import Callable

from pocketvision.blocks import Conv
from pocketvision.guidelines.experiment import Claim, Experiment, Variant, stack
from pocketvision.guidelines.fragments import Fragments
from pocketvision.guidelines.grouped import Grouped
from pocketvision.guidelines.published import TABLE_1, TABLE_2, TABLE_3, TABLE_4
from pocketvision.guidelines.unit import Unit
from pocketvision.spec import Row

SIDE, UNIT_SIDE = 56, 28  # px
BLOCKS = 10


def _variant(
    label: str, sizes: tuple[tuple[int, ...], ...], rows: Callable[..., tuple[Row, ...]], side: int = SIDE
) -> Variant:
    """A network for each of `sizes`: ten times the `rows` on these channels, the first of which come in."""
    specs = tuple(stack(f"{label}, {size[0]}", size[0], rows(*size) * BLOCKS, side) for size in sizes)
    return Variant(label, specs, ", ".join(map(str, sizes[0])))


def channel_ratios() -> Experiment:
    """G1: c1 -> c2 -> c1, ten times. Two ratios are ours: 1:4 and 1:16, in multiples of 16 channels (x1: 8).

    The paper's own numbers leave the vector width (9 and 108 channels), which costs time for another reason.
    """
    widths = {"1:1": (32, 32), "1:2": (22, 44), "1:6": (13, 78), "1:12": (9, 108), "1:4": (16, 64), "1:16": (8, 128)}

    def rows(c1: int, c2: int) -> tuple[Row, ...]:
        return Conv(1, c2, "linear"), Conv(1, c1, "linear")

    variants = tuple(
        _variant(label, tuple((c1 * size, c2 * size) for size in (1, 2, 4)), rows) for label, (c1, c2) in widths.items()
    )
    return Experiment(
        "G1",
        "Channels in and out of 1x1 convolutions",
        ("x1", "x2", "x4"),
        variants,
        (
            Claim("G1", "unequal channels of 1x1 convolutions cost time (1:12 against 1:1)", ("1:12",), ("1:1",)),
            Claim(
                "G1, round numbers",
                "unequal channels in multiples of 16 cost time (1:16 against 1:1)",
                ("1:16",),
                ("1:1",),
                columns=(1, 2),
            ),
        ),
        TABLE_1,
        per_mac=True,
        note="1:2, 1:6 and 1:12 have the paper's widths, mostly off the vector width; 1:4 and 1:16 are ours, in "
        "round ones.",
    )


def groups() -> Experiment:
    """G2: ten 1x1 convolutions in groups; more groups, more channels.

    Of equally many multiply-adds only 1 and 4 groups have round widths (a group of 4 has 32, 64, 128 channels; of 2:
    45, 90, 180; of 8: 23, 45, 90), so that the question is asked once with and once without others.
    """
    # 8 groups do not divide the 180 channels that the paper's ARM column has: 184 instead.
    widths = {1: (64, 128, 256), 2: (90, 180, 360), 4: (128, 256, 512), 8: (184, 360, 720)}
    variants = tuple(
        _variant(str(number), tuple((c,) for c in sizes), lambda c, number=number: (Grouped(c, number),))
        for number, sizes in widths.items()
    )
    claims = (
        Claim("G2", "groups of 1x1 convolutions cost time (8 against 1)", ("8",), ("1",)),
        Claim("G2, round numbers", "groups of 32, 64 or 128 channels cost time (4 against 1)", ("4",), ("1",)),
    )
    return Experiment(
        "G2",
        "Groups of 1x1 convolutions",
        ("x1", "x2", "x4"),
        variants,
        claims,
        TABLE_2,
        per_mac=True,
        note="A group has 64, 128, 256 channels alone; 45, 90, 180 of 2; 32, 64, 128 of 4; 23, 45, 90 of 8: "
        "the widths of 2 and 8 are off the vector width, which costs time as well.",
    )


def fragments() -> Experiment:
    """G3: a 1x1 convolution, or 2 or 4 narrower ones in its place, ten times.

    The claims are of 1 and 4, which have round widths; 2 stands in the table because it stands in the paper's.
    """

    widths = {1: (64, 128, 256), 2: (45, 90, 181), 4: (32, 64, 128)}  # c / sqrt(number)

    def variant(label: str, number: int, parallel: bool = False) -> Variant:
        return _variant(label, tuple((c,) for c in widths[number]), lambda c: (Fragments(c, number, parallel),))

    variants = (
        variant("1 fragment", 1),
        variant("2 fragments, series", 2),
        variant("4 fragments, series", 4),
        variant("2 fragments, parallel", 2, True),
        variant("4 fragments, parallel", 4, True),
    )
    one = ("1 fragment",)
    claims = (
        Claim("G3, series", "fragments in a row cost time (4 against 1)", ("4 fragments, series",), one),
        Claim("G3, parallel", "fragments side by side cost time (4 against 1)", ("4 fragments, parallel",), one),
    )
    return Experiment(
        "G3",
        "Fragments in place of a 1x1 convolution",
        ("c 64", "c 128", "c 256"),
        variants,
        claims,
        TABLE_3,
        per_mac=True,
        note="2 fragments have 45, 90, 181 channels, off the vector width, which costs time as well: judge by 1 and 4.",
    )


def elementwise() -> Experiment:
    """G4: a bottleneck, ten times, with and without ReLU and shortcut."""
    kinds = {
        "ReLU and shortcut": (True, True),
        "ReLU": (True, False),
        "shortcut": (False, True),
        "neither": (False, False),
    }
    variants = tuple(
        _variant(label, ((32,), (64,), (128,)), lambda c, kind=kind: (Unit(c, *kind),), UNIT_SIDE)
        for label, kind in kinds.items()
    )
    claims = (
        Claim("G4, ReLU", "ReLU costs time in a bottleneck", ("ReLU and shortcut", "ReLU"), ("shortcut", "neither")),
        Claim(
            "G4, shortcut",
            "a shortcut costs time in a bottleneck",
            ("ReLU and shortcut", "shortcut"),
            ("ReLU", "neither"),
        ),
    )
    return Experiment(
        "G4", "Element-wise operations of a bottleneck", ("c 32", "c 64", "c 128"), variants, claims, TABLE_4
    )

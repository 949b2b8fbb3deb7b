"""A V3-like space: random depth, kernel, expansion, width, squeeze-and-excite, activation and resolution."""

from __future__ import annotations

import random

from pocketvision.blocks import Bneck, Conv
from pocketvision.blocks.activations import Activation
from pocketvision.heads import Classifier, Dense
from pocketvision.spec import Conventions, Row, Spec, make_divisible

# fmt: off
STAGES = (
    # out  s   of V3-Large's table; each stage has two to four rows, its first one strides
    (  24, 2),
    (  40, 2),
    (  80, 2),
    ( 112, 1),
    ( 160, 2),
)
# fmt: on
DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
WIDTHS = (0.5, 0.75, 1.0, 1.25)
RESOLUTIONS = (160, 192, 224)
CONVENTIONS = Conventions(bn_eps=1e-3, bn_momentum=0.01)


def draw(rng: random.Random, name: str, classes: int = 1000) -> Spec:
    """One network: width and resolution for the whole, kernel and expansion row by row, the rest stage by stage."""
    width, resolution = rng.choice(WIDTHS), rng.choice(RESOLUTIONS)
    stem = make_divisible(16 * width)
    rows: list[Row] = [Conv(3, stem, rng.choice(("relu", "hswish")), 2), Bneck(3, stem, stem, 0, "relu")]
    cin = stem
    for channels, stride in STAGES:
        out = make_divisible(channels * width)
        squeezed = rng.random() < 0.5
        act: Activation = rng.choice(("relu", "hswish"))
        for number in range(rng.choice(DEPTHS)):
            expand = make_divisible(cin * rng.choice(EXPANSIONS))
            squeeze = make_divisible(expand / 4) if squeezed else 0
            rows.append(Bneck(rng.choice(KERNELS), expand, out, squeeze, act, 1 if number else stride))
            cin = out
    last = make_divisible(960 * width)
    rows.append(Conv(1, last, "hswish"))
    head = Classifier(classes, (Dense(make_divisible(1280 * width), "hswish"),))
    return Spec(name, tuple(rows), head, resolution, conventions=CONVENTIONS)


def networks(count: int, seed: int, name: str) -> list[Spec]:
    """`count` different networks."""
    rng = random.Random(seed)
    return [draw(rng, f"{name}{number}") for number in range(count)]

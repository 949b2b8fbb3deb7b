"""What a family is: the paper's table, its head, and the dials that scale or vary it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pocketvision.heads import Classifier, ConvClassifier
from pocketvision.spec import Conventions, Rows, widen


@dataclass(frozen=True)
class Dial:
    """A family's own choice beside width and resolution: `name` as callers give it, `values`, the first the table's.

    `prefix` stands before a value in names: `shufflenet_v1_g8`.
    """

    name: str
    values: tuple[Any, ...]
    turn: Callable[[Rows, Any], Rows]
    prefix: str = ""


@dataclass(frozen=True)
class Family:
    """A paper's table with the function that scales it.

    `resolution` is the paper's, px; `least` the smallest that works where rows without padding need more than the
    strides tell.
    """

    trunk: Rows
    head: Classifier | ConvClassifier
    conventions: Conventions
    widen: Callable[[Rows, float], Rows] = widen
    resolution: int = 224
    least: int = 0
    dial: Dial | None = None

"""A training that diverges: it is stopped, and what was saved before can be taken up again at a lower rate."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.files import write_atomic

MARK = "diverged.json"  # beside the training state
USUAL = 0.1  # no rate above it is proposed
LOWER = 0.2  # of the rate: what is tried next


class Diverged(InputError):
    """The loss or the weights are no longer finite numbers."""

    def __init__(self, found: Divergence, advice: str) -> None:
        super().__init__(f"{found}; {advice}")
        self.found = found


@dataclass(frozen=True)
class Divergence:
    """In which epoch (from 1) it was, at which peak `lr`, and the `seconds` that the run had taken by then."""

    epoch: int
    lr: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"the training diverged in epoch {self.epoch}: its loss or weights are no longer finite numbers at a "
            f"learning rate of {self.lr:g}"
        )

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return f"give a lower one, such as --lr {min(self.lr * LOWER, USUAL):.2g}"

    def error(self, saved_epochs: float | None) -> Diverged:
        """The one sentence; `saved_epochs` is how far the state reaches that was saved before (None: there is none)."""
        on = "" if saved_epochs is None else f": it goes on from epoch {saved_epochs:.3g}, which is kept"
        return Diverged(self, self.remedy + on)

    def write(self, state: Path) -> None:
        """Note it beside the training state, for the run that takes that up."""
        state.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(state.with_name(MARK), json.dumps(asdict(self)))

    @classmethod
    def read(cls, state: Path) -> Divergence | None:
        """The one noted beside the training state, unless there is none."""
        path = state.with_name(MARK)
        try:
            return cls(**json.loads(path.read_text())) if path.is_file() else None
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}): start the run again with --fresh") from None

    @staticmethod
    def forget(state: Path) -> None:
        """The training has gone beyond it."""
        state.with_name(MARK).unlink(missing_ok=True)


def is_lowered(state: Path, begun: Any, wanted: Any) -> bool:
    """Does the recipe `wanted` (JSON) only lower the rate at which `begun` diverged?"""
    diverged = Divergence.read(state)
    if diverged is None or not isinstance(begun, dict) or not isinstance(wanted, dict):
        return False
    return {**begun, "lr": wanted.get("lr")} == wanted and 0 < wanted["lr"] < diverged.lr


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Is there no NaN and no infinity in them? Whole numbers are finite."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors if tensor.is_floating_point())


def is_finite(number: float | None) -> bool:
    """True for None too: what was not judged has not diverged."""
    return number is None or math.isfinite(number)

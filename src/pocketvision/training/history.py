"""What happened in a training run, epoch by epoch, and the table of it."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pocketvision.files import write_atomic
from pocketvision.training.recipe import Recipe
from pocketvision.units import percent

METRICS_FILE = "metrics.csv"
# In "multilabel" val_map stands in place of val_top1.
COLUMNS = ("epoch", "train_loss", "val_loss", "val_top1", "lr", "resolution", "images_per_second", "seconds")


@dataclass
class Part:
    """How far an epoch has come: its steps, the sum of the losses of `images` images, the seconds they took.

    `side` is the height in px of the latest images; `images` are those of this process.
    """

    steps: int = 0
    loss_sum: float = 0.0
    images: int = 0
    seconds: float = 0.0
    side: int = 0


@dataclass
class History:
    """One dictionary with COLUMNS for each epoch, and what the time went into.

    `images_per_second` is what training reached before the first epoch, `data_per_second` what reading, decoding and
    augmenting alone reach. `part` is the epoch that is under way. `passes` counts epochs as they were trained: of a run
    that was out of time the last one, which stands in `epochs` like the others, may be a fraction.
    """

    recipe: Recipe
    epochs: list[dict[str, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    images_per_second: float = 0.0
    data_per_second: float = 0.0
    stopped_early: bool = False
    passes: float = 0.0
    part: Part = field(default_factory=Part)

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_json(),
            "epochs": self.epochs,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "data_per_second": self.data_per_second,
            "stopped_early": self.stopped_early,
            "passes": self.passes,
            "part": asdict(self.part),
        }

    @classmethod
    def from_notes(cls, recipe: Recipe, notes: dict[str, Any]) -> History:
        """What `to_json` wrote into a training state."""
        names = ("epochs", "seconds", "images_per_second", "data_per_second", "stopped_early", "passes")
        return cls(recipe, **{name: notes[name] for name in names}, part=Part(**notes["part"]))

    @property
    def best_epoch(self) -> int:
        """The epoch (counted from 1) with the lowest validation loss so far; 0 before the first validation."""
        judged = [(row["val_loss"], row["epoch"]) for row in self.epochs if row["val_loss"] is not None]
        return int(min(judged)[1] or 0) if judged else 0

    @property
    def count(self) -> float:
        """`passes` as it is told: `12`, or `0.37`."""
        return int(self.passes) if self.passes == int(self.passes) else round(self.passes, 2)

    def note(self) -> str:
        """The last epoch in a few words."""
        last = self.epochs[-1]
        score = last.get("val_top1", last.get("val_map"))
        return f"epoch {last['epoch']} loss {last['train_loss']:.3f}" + (
            "" if score is None else f", val {percent(score)}"
        )

    def write(self, out: Path) -> None:
        """The whole history as CSV, rewritten after each epoch so that it never holds half a line."""
        text = io.StringIO()
        several = bool(self.epochs) and "val_map" in self.epochs[0]
        writer = csv.DictWriter(text, ["val_map" if several and name == "val_top1" else name for name in COLUMNS])
        writer.writeheader()
        writer.writerows(self.epochs)
        write_atomic(out / METRICS_FILE, text.getvalue())

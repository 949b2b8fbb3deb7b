"""Where the metrics of each epoch go besides metrics.csv, by accelerate's trackers."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pocketvision.errors import InputError
from pocketvision.validation import suggestion

if TYPE_CHECKING:
    from accelerate import Accelerator

    from pocketvision.training.recipe import Recipe

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}
PROJECT = "pocketvision"


def check_loggers(names: Sequence[str]) -> None:
    """InputError for an unknown logger, and for one whose package is not installed."""
    for name in names:
        if name not in PACKAGES:
            raise InputError(f"unknown logger {name!r}: {suggestion(name, PACKAGES)}")
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise InputError(f"logger {name!r} is not installed: pip install {PACKAGES[name]}")


def start_loggers(accelerator: Accelerator, names: tuple[str, ...], out: Path | None, recipe: Recipe) -> None:
    """Attach the loggers to `accelerator`: from now on `accelerator.log` reaches them. Their files go below `out`."""
    from accelerate.tracking import TensorBoardTracker, WandBTracker

    check_loggers(names)
    folder = out or Path("runs")
    if "tensorboard" in names:
        accelerator.trackers.append(TensorBoardTracker("tensorboard", logging_dir=str(folder)))
    if "wandb" in names:
        accelerator.trackers.append(WandBTracker(PROJECT, dir=str(folder), name=folder.name))
    config = {key: value for key, value in recipe.to_json().items() if not isinstance(value, list)}
    for tracker in accelerator.trackers:
        tracker.start()
        tracker.store_init_configuration(config)

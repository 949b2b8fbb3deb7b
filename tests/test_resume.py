"""A run that was stopped and goes on ends with the weights of one that never was, bit by bit."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pocketvision.blocks import ROWS
from pocketvision.data.dataset import Dataset
from pocketvision.training import loop, run
from pocketvision.training.recipe import Recipe
from pocketvision.training.state import save_state
from trainable import EVERY_KIND, every_kind, pictures  # noqa: F401 (a fixture)

# Together they change every field that a state depends on, each field more than once, with 1, 3 and 5 channels.
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "adamw, 3 channels": (3, {}),
    "adamw, 1 channel, frozen statistics": (1, {"frozen_bn": True, "freeze": 2, "layer_decay": 0.8, "trunk_lr": 0.5}),
    "adamw, 5 channels, blended": (5, {"mixup": 0.2, "cutmix": 1.0, "erase": 0.5, "average": 0.5}),
    "sgd, 3 channels, growing": (3, {"optimizer": "sgd", "progressive": 0.5, "policy": "trivial", "mixup": 0.4}),
    "sgd, 5 channels, patient": (5, {"optimizer": "sgd", "patience": 2, "balance": True, "head_warmup": 0.3}),
    "adamw, 3 channels, all": (
        3,
        {"patience": 3, "balance": True, "progressive": 0.6, "policy": "rand", "erase": 0.3, "cutmix": 1.0, "seed": 7},
    ),
}


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"epochs": 3, "batch": 4, "lr": 5e-3, "average": 0.3, **changes})


def same(one: torch.nn.Module, other: torch.nn.Module) -> list[str]:
    """Names of the tensors that differ."""
    there = other.state_dict()
    return [name for name, tensor in one.state_dict().items() if not torch.equal(tensor, there[name])]


def test_the_network_that_is_tried_has_every_kind_of_row() -> None:
    assert {type(row) for row in EVERY_KIND} == set(ROWS.values())


@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_ends_as_an_unbroken_one(
    case: str,
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Saved after each of 3 x 3 steps; taken up from within an epoch, and from the end of one."""
    channels, changes = CASES[case]
    states: list[Path] = []

    def keep(path: Path, *arguments: Any) -> None:
        save_state(path, *arguments)
        states.append(tmp_path / f"{len(states)}")
        shutil.copytree(path.parent, states[-1] / "state")

    whole = every_kind(channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "SAVE_SECONDS", 0.0)
        patch.setattr(run, "save_state", keep)
        history = loop.train_network(whole, pictures, recipe(**changes), out=tmp_path / "whole", show=False)
    assert len(states) == 9
    for number, state in ((4, states[3]), (6, states[5])):
        random.seed(number), np.random.seed(number), torch.manual_seed(number)
        again = every_kind(channels)
        told = loop.train_network(again, pictures, recipe(**changes), out=state, show=False)
        assert same(whole, again) == []
        keys = ("epoch", "train_loss", "val_loss", "val_top1", "lr", "resolution")
        assert [[row[key] for key in keys] for row in told.epochs] == [
            [row[key] for key in keys] for row in history.epochs
        ]

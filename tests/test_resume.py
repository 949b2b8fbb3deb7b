"""A run that was stopped and goes on ends with the weights of one that never was, bit by bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import command_environment
from pocketvision.blocks import ROWS
from pocketvision.data.dataset import Dataset
from pocketvision.errors import InputError
from pocketvision.network import Network
from pocketvision.training import loop, run
from pocketvision.training.plan import More
from pocketvision.training.recipe import Recipe
from pocketvision.training.speed import Speeds
from pocketvision.training.state import read_notes, save_state
from pocketvision.training.step import Step
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


def test_a_plan_that_changed_on_the_way_changes_nothing_that_was_made_for_the_first(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Averages and BatchNorm's statistics have a horizon: that of the run as it was planned, also after a stop.

    By a clock on which each step takes 1 s, and 4 s from the third on: of 60 steps that the time allowed, 18 are left.
    """
    states: list[Path] = []

    def keep(path: Path, *arguments: Any) -> None:
        save_state(path, *arguments)
        states.append(tmp_path / f"{len(states)}")
        shutil.copytree(path.parent, states[-1] / "state")

    class Clock:
        now, steps = 0.0, 0

        def monotonic(self) -> float:
            return self.now

    def train(out: Path, begun: float) -> Network:
        clock, step = Clock(), Step.__call__
        clock.steps = int(begun)

        def timed(*arguments: Any) -> float:
            clock.steps += 1
            clock.now += 1.0 if clock.steps < 3 else 4.0
            return step(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            for module in (loop, run):
                patch.setattr(module, "time", clock)
            patch.setattr(run, "save_state", keep)
            patch.setattr(loop, "measure", lambda _: Speeds(10 / 3, 100.0, 0.0))
            patch.setattr(Step, "__call__", timed)
            net = every_kind(3)
            loop.train_network(net, pictures, recipe(epochs=30, average=0.5), 60.0, out, show=False)
        return net

    whole = train(tmp_path / "whole", 0)
    plans = [read_notes(state / loop.STATE_FILE)["plan"] for state in states]
    assert plans[-1]["total"] < 0.5 * plans[0]["horizon"] and len({plan["horizon"] for plan in plans}) == 1
    assert 2 < len(states) < 10
    assert same(whole, train(states[2], 9)) == []


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_killed_in_its_continuation_goes_on_with_that(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
    optimizer: str,
) -> None:
    """`--more-time`, stopped within its second epoch, with patience: the best weights are of the first part."""
    how = recipe(epochs=2, patience=9, optimizer=optimizer)
    loop.train_network(every_kind(5), pictures, how, out=tmp_path / "whole", show=False)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    more = More(seconds=1000.0, after_epoch=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "measure", lambda _: Speeds(10.0, 100.0, 0.1))
        whole = every_kind(5)
        history = loop.train_network(whole, pictures, how, 9.0, tmp_path / "whole", show=False, more=more)
        assert [row["epoch"] for row in history.epochs] == [1, 2, 3, 4]
        patch.setattr(run, "SAVE_SECONDS", 0.0)
        saves = 0

        def stop(*arguments: Any) -> None:
            nonlocal saves
            save_state(*arguments)
            saves += 1
            if saves == 4:
                raise KeyboardInterrupt

        patch.setattr(run, "save_state", stop)
        with pytest.raises(KeyboardInterrupt):
            loop.train_network(every_kind(5), pictures, how, 9.0, tmp_path / "cut", show=False, more=more)
    again = every_kind(5)
    loop.train_network(again, pictures, how, 9.0, tmp_path / "cut", show=False, more=more)
    assert same(whole, again) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import pytest
from trainable import every_kind, in_memory
from pocketvision.training import loop, run
from test_resume import recipe
with pytest.MonkeyPatch.context() as patch:
    data = in_memory(patch)
    patch.setattr(run, "SAVE_SECONDS", 0.0)
    save, saves = run.save_state, []
    def kill(*arguments):
        save(*arguments)
        saves.append(1)
        if len(saves) == 5:
            os.kill(os.getpid(), signal.SIGKILL)
    patch.setattr(run, "save_state", kill)
    loop.train_network(every_kind(3), data, recipe(), out=Path(sys.argv[1]), show=False)
"""


def test_a_process_that_is_killed_within_an_epoch_leaves_a_state_to_go_on_from(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
) -> None:
    environment = command_environment()
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "cut"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    whole, again = every_kind(3), every_kind(3)
    loop.train_network(whole, pictures, recipe(), show=False)
    loop.train_network(again, pictures, recipe(), out=tmp_path / "cut", show=False)
    assert same(whole, again) == []


def test_scaled_gradients_keep_their_scale(pictures: Dataset, tmp_path: Path) -> None:  # noqa: F811
    """Float16 on a GPU: the scale is a part of the state. Here on the CPU."""

    def trainer() -> loop.Trainer:
        made = loop.Trainer(every_kind(3), pictures, recipe(), show=False, device="cpu")
        made.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
        return made

    first = trainer()
    first.run(tmp_path)
    assert first.accelerator.scaler.get_scale() > 2.0**10
    second = trainer()
    second.run(tmp_path)
    assert second.accelerator.scaler.state_dict() == first.accelerator.scaler.state_dict()


def test_a_state_of_another_version_or_damaged_is_one_sentence(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
) -> None:
    loop.train_network(every_kind(3), pictures, recipe(epochs=1), out=tmp_path, show=False)
    path = tmp_path / loop.STATE_FILE
    notes = read_notes(path)
    tensors = load_file(path)

    def without(name: str) -> dict[str, torch.Tensor]:
        return {key: tensor for key, tensor in tensors.items() if key != name}

    for wrong, said in (
        ({**notes, "plan": {"total": 3}}, "another version of pocketvision"),
        ({key: value for key, value in notes.items() if key != "part"}, "another version of pocketvision"),
    ):
        save_file(tensors, path, {"format": "pt", "training": json.dumps(wrong)})
        with pytest.raises(InputError, match=said):
            loop.train_network(every_kind(3), pictures, recipe(epochs=1), out=tmp_path, show=False)
    for changed in (
        without("optimizer/0/exp_avg"),
        without("model/trunk.0.bn.num_batches_tracked"),
        {**tensors, "model/trunk.0.conv.weight": torch.zeros(3)},
    ):
        save_file(changed, path, {"format": "pt", "training": json.dumps(notes)})
        with pytest.raises(InputError, match="cannot go on from .* does not fit"):
            loop.train_network(every_kind(3), pictures, recipe(epochs=1), out=tmp_path, show=False)

"""The loop: learns, resumes exactly, keeps to its time."""

from __future__ import annotations

import csv
import platform
from pathlib import Path

import pytest
import torch

from pocketvision.blocks import ConvBN
from pocketvision.data.dataset import Dataset
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import split
from pocketvision.errors import InputError
from pocketvision.models import create_model
from pocketvision.network import Network
from pocketvision.training import loop
from pocketvision.training.history import COLUMNS, History
from pocketvision.training.memory import keep_freed_memory
from pocketvision.training.recipe import Recipe
from pocketvision.training.schedule import rate
from pocketvision.training.state import read_notes


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """A part of the real digits: 4 classes, 40 images each for training, 20 for validation."""
    whole = split(open_dataset("digits"))

    def some(name: str, each: int) -> tuple:
        by_class = [[s for s in whole.splits[name] if s.label == label][:each] for label in range(4)]
        return tuple(sample for samples in by_class for sample in samples)

    return Dataset("digits", "digits", whole.classes[:4], {"train": some("train", 40), "val": some("val", 20)})


def network() -> Network:
    torch.manual_seed(0)
    return create_model("mobilenet_v1", width=0.25, resolution=16, classes=4, channels=1)


def recipe(epochs: int, **changes) -> Recipe:
    return Recipe(**{"epochs": epochs, "batch": 32, "lr": 4e-3, "flip": False, "crop": (0.8, 1.0), **changes})


def test_it_learns_and_says_how(digits: Dataset, tmp_path: Path) -> None:
    net = network()
    history = loop.train_network(net, digits, recipe(25), out=tmp_path, show=False)
    assert history.epochs[-1]["val_top1"] > 0.75  # a quarter would be chance
    assert history.epochs[-1]["train_loss"] < history.epochs[0]["train_loss"]
    assert not net.training
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 26))
    assert tuple(rows[0]) == COLUMNS
    assert read_notes(tmp_path / loop.STATE_FILE)["recipe"]["seed"] == 0


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_stopped_run_ends_with_the_weights_of_an_unbroken_one(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    whole = network()
    loop.train_network(whole, digits, recipe(4, optimizer=optimizer), out=tmp_path / "whole", show=False)

    calls = 0
    write = History.write

    def stop_after_two(*arguments) -> None:
        nonlocal calls
        write(*arguments)
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(History, "write", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        loop.train_network(network(), digits, recipe(4, optimizer=optimizer), out=tmp_path / "cut", show=False)
    monkeypatch.undo()
    again = network()
    history = loop.train_network(again, digits, recipe(4, optimizer=optimizer), out=tmp_path / "cut", show=False)
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3, 4]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_state_of_another_recipe_is_refused(digits: Dataset, tmp_path: Path) -> None:
    loop.train_network(network(), digits, recipe(1), out=tmp_path, show=False)
    with pytest.raises(InputError, match="belongs to another recipe"):
        loop.train_network(network(), digits, recipe(2), out=tmp_path, show=False)


def test_time_bounds_the_epochs(digits: Dataset) -> None:
    history = loop.train_network(network(), digits, recipe(5000), seconds=3.0, show=False)
    assert 1 <= len(history.epochs) < 5000
    assert history.epochs[-1]["val_top1"] is not None  # the last epoch is always validated


def test_frozen_statistics_stay_and_the_trunk_moves_gently(digits: Dataset) -> None:
    net = network()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    loop.train_network(net, digits, recipe(2, frozen_bn=True, trunk_lr=0.0, average=0.0), show=False)
    after = net.state_dict()
    assert torch.equal(before["trunk.0.bn.running_mean"], after["trunk.0.bn.running_mean"])
    assert torch.equal(before["trunk.3.pointwise.conv.weight"], after["trunk.3.pointwise.conv.weight"])
    assert not torch.equal(before["head.classifier.weight"], after["head.classifier.weight"])


def test_frozen_statistics_are_folded_without_changing_anything() -> None:
    torch.manual_seed(0)
    block = ConvBN(4, 6, 3, 2, act="relu6").double()
    block.bn.running_mean.normal_()
    block.bn.running_var.uniform_(0.5, 2)
    block.bn.weight.data.uniform_(0.5, 2)
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64, requires_grad=True)

    def gradients(training: bool) -> list[torch.Tensor]:
        block.train(training)
        block.bn.eval()
        y = block(x)
        return [y, *torch.autograd.grad((y * torch.arange(y.numel()).view_as(y)).sum(), [x, *block.parameters()])]

    for folded, plain in zip(gradients(True), gradients(False), strict=True):
        assert torch.allclose(folded, plain, rtol=1e-10, atol=1e-10)


def test_freed_memory_stays_where_glibc_is() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_schedule() -> None:
    assert rate(0.05, 0.1) == pytest.approx(0.5)
    assert rate(0.1, 0.1) == pytest.approx(1.0)
    assert rate(0.55, 0.1) == pytest.approx(0.5)
    assert rate(1.0, 0.1) == pytest.approx(0.0)
    assert rate(0.5, 0.0) == pytest.approx(0.5)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"lr": 0.0}, {"optimizer": "adam"}])
def test_recipes_that_make_no_sense(wrong: dict) -> None:
    with pytest.raises(InputError, match="in the recipe"):
        Recipe(**wrong)

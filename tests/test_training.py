"""The loop: learns, resumes exactly, keeps to its time."""

from __future__ import annotations

import csv
import importlib.util
import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from pocketvision.blocks import ConvBN
from pocketvision.data.augment import Augmentation
from pocketvision.data.dataset import Dataset
from pocketvision.data.loader import Images, Key
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import split
from pocketvision.errors import InputError
from pocketvision.models import create_model
from pocketvision.network import Network
from pocketvision.training import loop, run, speed
from pocketvision.training.balance import class_weights
from pocketvision.training.device import make_accelerator
from pocketvision.training.history import COLUMNS
from pocketvision.training.loggers import check_loggers
from pocketvision.training.memory import keep_freed_memory
from pocketvision.training.plan import More
from pocketvision.training.recipe import Recipe
from pocketvision.training.schedule import rate
from pocketvision.training.speed import Speeds
from pocketvision.training.state import read_notes
from pocketvision.training.step import Step


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


class Clock:
    """The trainer's clock: each step takes `seconds`, all else nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.steps, self.now, self.seconds = 0, 0.0, seconds
        self.slower_from: tuple[int, float] | None = None
        for module in (loop, run):
            monkeypatch.setattr(module, "time", self)
        step = Step.__call__

        def timed(*arguments: Any) -> float:
            self.steps += 1
            slower = self.slower_from and self.steps > self.slower_from[0]
            self.now += self.slower_from[1] if self.slower_from and slower else self.seconds
            return step(*arguments)

        monkeypatch.setattr(Step, "__call__", timed)

    def monotonic(self) -> float:
        return self.now


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


def test_a_state_of_another_recipe_is_refused(digits: Dataset, tmp_path: Path) -> None:
    loop.train_network(network(), digits, recipe(1), out=tmp_path, show=False)
    with pytest.raises(InputError, match="belongs to another recipe"):
        loop.train_network(network(), digits, recipe(2), out=tmp_path, show=False)


def test_time_bounds_the_epochs(digits: Dataset) -> None:
    history = loop.train_network(network(), digits, recipe(5000), seconds=1.0, show=False)
    assert 1 <= len(history.epochs) < 5000
    assert history.epochs[-1]["val_top1"] is not None  # the last epoch is always validated
    assert history.epochs[-1]["lr"] < 4e-4  # and the schedule goes to its end


def test_time_that_is_up_within_an_epoch_ends_it_there(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which each step takes 10 s; the test of speed before saw 1 s."""
    clock = Clock(monkeypatch, 10.0)
    monkeypatch.setattr(loop, "measure", lambda _: Speeds(32.0, 100.0, 1.0))
    history = loop.train_network(network(), digits, recipe(40, batch=8), 100.0, tmp_path, show=False)
    assert clock.steps in (8, 9, 10)  # an epoch has 20
    assert read_notes(tmp_path / loop.STATE_FILE)["plan"]["total"] == clock.steps
    assert len(history.epochs) == 1 and history.passes == clock.steps / 20
    assert history.epochs[0]["val_loss"] is not None and history.epochs[0]["lr"] < 4e-4


def test_a_speed_that_collapses_within_an_epoch_is_noticed_there(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, 1.0)
    monkeypatch.setattr(loop, "measure", lambda _: Speeds(8.0, 100.0, 1.0))
    clock.slower_from = (30, 20.0)  # in the middle of the second epoch
    history = loop.train_network(network(), digits, recipe(40, batch=8), seconds=100.0, show=False)
    assert clock.steps in (32, 33) and len(history.epochs) == 2 and history.seconds <= 100
    assert history.epochs[-1]["val_loss"] is not None


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


def test_a_finished_run_is_trained_longer_once(digits: Dataset, tmp_path: Path) -> None:
    loop.train_network(network(), digits, recipe(2), out=tmp_path, show=False)
    more = More(seconds=1.5, after_epoch=2)
    history = loop.train_network(network(), digits, recipe(2), out=tmp_path, show=False, more=more)
    assert 2 < history.passes <= 4  # as many as the time allows, and at most the recipe's once more
    assert history.epochs[2]["lr"] <= 0.5 * 4e-3 + 1e-9
    again = loop.train_network(network(), digits, recipe(2), out=tmp_path, show=False, more=more)
    assert again.epochs == history.epochs  # the same request, after it was carried out


def test_patience_ends_a_run_and_keeps_the_best(digits: Dataset, tmp_path: Path) -> None:
    stuck = recipe(40, lr=1e-9, patience=3, average=0.0)  # nothing is learned: the loss stops falling
    net = network()
    history = loop.train_network(net, digits, stuck, out=tmp_path, show=False)
    assert history.stopped_early and len(history.epochs) == history.best_epoch + 3 < 40
    again = loop.train_network(network(), digits, stuck, out=tmp_path, show=False)
    assert again.epochs == history.epochs  # a stopped run stays stopped


def test_growing_pictures_blended_images_balanced_classes_frozen_rows(digits: Dataset) -> None:
    few = Dataset("few", "few", digits.classes, {**digits.splits, "train": digits.splits["train"][:70]})
    net = network()
    first = net.trunk[0].conv.weight.clone()
    changes = {"progressive": 0.5, "mixup": 0.2, "cutmix": 1.0, "balance": True, "freeze": 1, "head_warmup": 0.2}
    history = loop.train_network(net, few, recipe(4, **changes), show=False)
    assert [row["resolution"] for row in history.epochs] == [16, 16, 16, 16]  # the smallest step is 16 px
    assert torch.equal(net.trunk[0].conv.weight, first)
    weights = class_weights(few.splits["train"], 4)
    shares = [float(weights[[s.label == c for s in few.splits["train"]]].sum()) for c in (0, 1)]
    assert shares[0] == pytest.approx(shares[1])  # 40 and 30 images, drawn equally often


def test_epochs_differ_and_images_do_not_depend_on_the_order(digits: Dataset) -> None:
    p = network().preprocessing
    images = Images(digits.splits["train"], p, Augmentation(crop=(0.3, 1.0)), seed=1, show=False)
    keys = [Key(image, epoch, (16, 16)) for epoch in (0, 1) for image in (3, 4)]
    there = {key: images[key][0] for key in keys}
    back = {key: images[key][0] for key in reversed(keys)}
    assert all(torch.equal(there[key], back[key]) for key in keys)
    assert not torch.equal(there[keys[0]], there[keys[2]])


def test_images_that_take_long_to_read_are_read_when_they_are_needed(digits: Dataset) -> None:
    p, samples = network().preprocessing, digits.splits["train"]
    held = Images(samples, p, Augmentation(), show=False)
    hurried = Images(samples, p, Augmentation(), show=False, seconds=0.0)
    assert held.cached and not hurried.cached and not hurried.images and len(hurried) == len(held)
    key = Key(5, 0, (16, 16))
    assert torch.equal(held[key][0], hurried[key][0]) and held[key][1] == hurried[key][1]


def test_the_test_of_speed_takes_a_small_part_of_the_time_on_a_slow_machine_too(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image takes half a second, a batch 16: of 60 s that are given, a few images tell it."""
    now = 0.0

    class Slow:
        monotonic = staticmethod(lambda: now)

    def train(self: Step, model: Any, optimizer: Any, images: torch.Tensor, labels: torch.Tensor) -> float:
        nonlocal now
        now += len(images) / 2
        return 1.0

    def validate(self: Step, net: Any, found: Any) -> tuple[float, float]:
        nonlocal now
        now += sum(len(images) for images, _ in found) / 4
        return 1.0, 1.0

    monkeypatch.setattr(speed, "time", Slow)
    monkeypatch.setattr(Step, "__call__", train)
    monkeypatch.setattr(Step, "validate", validate)
    found = speed.measure(loop.Trainer(network(), digits, recipe(3), seconds=60.0, show=False))
    assert found.images == pytest.approx(2.0) and found.validation_seconds == pytest.approx(20.0)  # 80 images
    assert now <= 10.0  # with 2 images and 8, which tell that it is the images that take it


def test_a_validation_that_would_take_all_the_time_looks_at_fewer_images(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which validation takes 1 s for each of the 80 images, of 100 s that are given."""
    clock, judged = Clock(monkeypatch, 5.0), list[int]()
    monkeypatch.setattr(loop, "measure", lambda _: Speeds(1.6, 100.0, 80.0))
    validate = Step.validate

    def counted(self: Step, net: Any, found: Any) -> Any:
        found = list(found)
        judged.append(sum(len(images) for images, _ in found))
        clock.now += judged[-1]
        return validate(self, net, found)

    monkeypatch.setattr(Step, "validate", counted)
    history = loop.train_network(network(), digits, recipe(40, batch=8), 100.0, tmp_path, show=False)
    assert set(judged) == {15} and 80 < history.seconds <= 100
    assert read_notes(tmp_path / loop.STATE_FILE)["plan"]["validated"] == 15  # the same after a stop


def test_a_state_of_other_images_is_refused(digits: Dataset, tmp_path: Path) -> None:
    loop.train_network(network(), digits, recipe(1), out=tmp_path, show=False)
    fewer = Dataset("few", "few", digits.classes, {**digits.splits, "train": digits.splits["train"][:70]})
    with pytest.raises(InputError, match=r"other images \(an epoch had 5 steps, now it has 3\)"):
        loop.train_network(network(), fewer, recipe(1), out=tmp_path, show=False)


def test_loggers(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown logger 'tensorbord'"):
        check_loggers(["tensorbord"])
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(InputError, match="pip install tensorboard"):
            check_loggers(["tensorboard"])
        return
    loop.train_network(network(), digits, recipe(1), out=tmp_path, show=False, loggers=("tensorboard",))
    assert list(tmp_path.rglob("events.out.tfevents*"))


def test_devices_that_are_not_there() -> None:
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        make_accelerator("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no device 'cuda'"):
            make_accelerator("cuda")

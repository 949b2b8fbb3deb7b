"""A training that diverges is stopped and can be taken up again; NaN is never counted as an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pocketvision.calibration import calibrate
from pocketvision.data.dataset import Dataset
from pocketvision.data.image import preprocessing_for
from pocketvision.errors import InputError
from pocketvision.evaluation import Evaluation
from pocketvision.fitting.candidates import grid
from pocketvision.fitting.halving import Contender, explain_halving, halve
from pocketvision.fitting.learn import Start, train_at_a_rate_that_holds, train_shortly
from pocketvision.fitting.limits import Limits
from pocketvision.journal import Journal
from pocketvision.results import Result
from pocketvision.runfolder import RunFolder
from pocketvision.runtimes.predictor import predict
from pocketvision.runtimes.verify import compare
from pocketvision.scores import MultilabelEvaluation, mean_average_precision
from pocketvision.training import loop
from pocketvision.training.divergence import Diverged, Divergence
from pocketvision.training.history import History
from pocketvision.training.losses import OneLabel
from pocketvision.training.recipe import Recipe
from pocketvision.training.state import read_notes
from pocketvision.training.step import Step
from trainable import every_kind, pictures  # noqa: F401 (a fixture)

NAN, INFINITE = float("nan"), float("inf")


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"epochs": 3, "batch": 4, "lr": 5e-3, "average": 0.3, **changes})


def break_at(monkeypatch: pytest.MonkeyPatch, when: int, how: str) -> None:
    """From step `when` on the loss, or after it a weight, is not finite, as long as the rate is above 0.002."""
    step, calls = Step.__call__, 0

    def broken(self: Step, model: nn.Module, *arguments: Any) -> float:
        nonlocal calls
        calls += 1
        loss = step(self, model, *arguments)
        if calls < when or self.recipe.lr < 2e-3:
            return loss
        if how == "weight":
            with torch.no_grad():
                next(model.parameters())[0, 0, 0, 0] = INFINITE
            return loss
        return NAN

    monkeypatch.setattr(loop, "measure", lambda _: loop.Speeds(100.0, 100.0, 0.1))
    monkeypatch.setattr(Step, "__call__", broken)


@pytest.mark.parametrize(("how", "when"), [("loss", 8), ("weight", 6)])
def test_a_divergence_stops_the_run_and_a_lower_rate_goes_on_from_the_last_good_state(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    when: int,
) -> None:
    break_at(monkeypatch, when, how)
    with pytest.raises(
        Diverged, match=r"diverged in epoch \d: .* at a learning rate of 0.005; .* --lr 0.001: it goes on"
    ):
        loop.train_network(every_kind(3), pictures, recipe(), out=tmp_path, show=False)
    state = tmp_path / loop.STATE_FILE
    kept = len(read_notes(state)["epochs"])
    assert kept == (2 if how == "loss" else 1)
    with pytest.raises(Diverged, match="give a lower one"):  # the same again
        loop.train_network(every_kind(3), pictures, recipe(), out=tmp_path, show=False)
    with pytest.raises(InputError, match="belongs to another recipe"):  # more than the rate has changed
        loop.train_network(every_kind(3), pictures, recipe(lr=1e-3, epochs=4), out=tmp_path, show=False)
    net = every_kind(3)
    history = loop.train_network(net, pictures, recipe(lr=1e-3), out=tmp_path, show=False)
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3] and Divergence.read(state) is None
    assert all(tensor.isfinite().all() for tensor in net.state_dict().values())
    assert max(row["lr"] for row in history.epochs[kept:]) <= 1e-3 < history.epochs[0]["lr"]


def test_a_divergence_before_anything_was_saved(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_at(monkeypatch, 2, "loss")
    with pytest.raises(Diverged, match=r"diverged in epoch 1: .* --lr 0.001$"):
        loop.train_network(every_kind(3), pictures, recipe(), out=tmp_path, show=False)
    assert not (tmp_path / loop.STATE_FILE).exists()


def test_the_run_folder_takes_a_lower_rate_after_a_divergence_and_nothing_else(tmp_path: Path) -> None:
    def settings(**changes: Any) -> dict[str, Any]:
        return {"data": "photos", "recipe": {"lr": 1.0, "epochs": 3}, **changes}

    lower = {"recipe": {"lr": 0.1, "epochs": 3}}
    RunFolder(tmp_path, settings(), "result.json")
    with pytest.raises(InputError, match="other settings"):
        RunFolder(tmp_path, settings(**lower), "result.json")
    Divergence(2, 1.0, 5.0).write(tmp_path / "state" / "training.safetensors")
    for wrong in ({"recipe": {"lr": 2.0, "epochs": 3}}, {"recipe": {"lr": 0.1, "epochs": 4}}, {**lower, "data": "x"}):
        with pytest.raises(InputError, match="other settings"):
            RunFolder(tmp_path, settings(**wrong), "result.json")
    assert RunFolder(tmp_path, settings(**lower), "result.json").read("state/settings.json") == settings(**lower)


def test_a_contender_that_diverges_loses_and_all_that_do_are_an_error(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_at(monkeypatch, 2, "loss")
    candidates = grid(3, 3, 32, None, Limits.parse(params="300k"))[:1]
    pool = [Contender(candidates[0], recipe(lr=lr), name) for lr, name in ((1.0, "hot"), (1e-3, "mild"))]
    start = Start(pictures.classes, 3, 0)

    def train(contender: Contender, data: Dataset, seconds: float, name: str) -> dict[str, Any]:
        monkeypatch.setattr("pocketvision.fitting.learn.measure", lambda _: loop.Speeds(100.0, 100.0, 0.1))
        return train_shortly(start, contender, data, seconds, tmp_path / name, "cpu", False, Journal())

    known: list[dict[str, Any]] = []
    winner, _ = halve(pool, pictures, 500.0, train, known, lambda _: None)
    assert winner is pool[1] and known[0]["val_loss"] is None and known[1]["val_loss"] > 0
    assert "hot diverged" in explain_halving(pool, winner, known)
    with pytest.raises(InputError, match="all 2 contenders diverged"):
        halve(pool, pictures, 500.0, lambda *_: {"val_loss": None, "seconds": 1.0}, [], lambda _: None)


def test_fit_goes_on_at_a_lower_rate_and_remembers_it(tmp_path: Path) -> None:
    journal, tried = Journal(tmp_path / "journal.json"), list[float]()

    def train(net: Any, how: Recipe) -> History:
        tried.append(how.lr)
        if how.lr > 0.1:
            raise Divergence(1, how.lr, 1.0).error(None)
        return History(how)

    _, history = train_at_a_rate_that_holds(lambda: every_kind(1), train, recipe(lr=1.0), False, journal)
    assert tried == pytest.approx([1.0, 0.2, 0.04]) and history.recipe.lr == tried[-1]
    again = Journal(tmp_path / "journal.json")
    train_at_a_rate_that_holds(lambda: every_kind(1), train, recipe(lr=1.0), False, again)
    assert tried[3:] == tried[2:3]
    with pytest.raises(Diverged):
        train_at_a_rate_that_holds(lambda: every_kind(1), train, recipe(lr=100.0), False, Journal())


class Answers:
    """A runtime that answers as it is told."""

    classes, task, runtime, threshold = ("a", "b", "c"), "classify", "told", None
    preprocessing = preprocessing_for(8, 3)

    def __init__(self, *wrong: float) -> None:
        self.probabilities = np.full((4, 3), 1 / 3, np.float32)
        self.probabilities[: len(wrong), 1] = wrong

    def run(self, images: np.ndarray) -> np.ndarray:
        return self.probabilities[: len(images)]


@pytest.mark.parametrize("wrong", [NAN, INFINITE])
def test_no_metric_counts_nan(wrong: float) -> None:
    broken, labels = Answers(wrong).probabilities, np.array([0, 1, 2, 0])
    for metric in (
        lambda: Evaluation(labels, broken),
        lambda: MultilabelEvaluation(labels[:, None] == range(3), broken),
        lambda: mean_average_precision(labels[:, None] == range(3), broken),
        lambda: calibrate(broken, labels),
        lambda: Result(broken[0], ("a", "b", "c"), "cat.png"),
    ):
        with pytest.raises(InputError, match=r"answers to 1 of \d images are not finite"):
            metric()
    dataset = Dataset("d", "d", ("a", "b", "c"), {"train": ()})
    assert OneLabel(dataset).score(torch.tensor([[wrong, 0.0, 0.0], [1.0, 0.0, 0.0]]), torch.tensor([0, 0])) == 0.5


def test_answers_that_are_nan_are_refused() -> None:
    images = [np.zeros((8, 8, 3), np.uint8)] * 4
    with pytest.raises(InputError, match="answers to 1 of 1"):
        predict(Answers(NAN), images)
    check = compare(Answers(), Answers(NAN), images, labels=[0, 0, 0, 0])
    assert check.top1_agreement == 0.75 and check.top1 == 0.75 and check.max_abs_error == INFINITE
    with pytest.raises(InputError, match="told: the answers to 1 of 4"):
        compare(Answers(NAN), Answers(NAN), images)

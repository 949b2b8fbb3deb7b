"""Cross-validation within `fit`, where the held-out images are few and there is time for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from pocketvision.data.dataset import Dataset
from pocketvision.data.doctor import Examination, examine
from pocketvision.data.sources import open_dataset
from pocketvision.evaluation import Evaluation
from pocketvision.fitting.crossed import affordable_folds, cross_validate
from pocketvision.fitting.doctor import embedding_of
from pocketvision.journal import Journal
from pocketvision.models import create_model
from pocketvision.network import Network
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.history import History
from pocketvision.training.recipe import Recipe


@pytest.mark.parametrize(
    ("held_out", "trained", "left", "folds"),
    [(16, 10.0, 50.0, 5), (16, 10.0, 49.0, 3), (16, 10.0, 29.0, 0), (16, 10.0, -5.0, 0), (100, 1.0, 1000.0, 0)],
)
def test_as_many_folds_as_there_is_time_for(held_out: int, trained: float, left: float, folds: int) -> None:
    assert affordable_folds(held_out, trained, left) == folds


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Thirty pictures of zeros and ones, twenty-four of them to train on."""
    samples = [sample for sample in open_dataset("digits").splits["train"] if sample.label < 2][::12]
    return Dataset("few", "digits", ("0", "1"), {"train": tuple(samples[6:]), "val": tuple(samples[:6])})


@pytest.fixture(scope="module")
def seen(few: Dataset) -> Examination:
    return examine(few, embedding_of(None), False)


def crossed(few: Dataset, seen: Examination, out: Path, journal: Journal, folds: int = 3):
    def make() -> Network:
        torch.manual_seed(0)
        return create_model("mobilenet_v1", width=0.25, resolution=16, classes=["0", "1"], channels=1)

    history = History(Recipe(epochs=1, batch=8, flip=False, color=0.0), seconds=1.0, passes=1.0)
    return cross_validate(make, few, seen, history, folds, 60.0, out, "cpu", False, journal)


def test_every_image_is_held_out_once(few: Dataset, seen: Examination, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    found = crossed(few, seen, tmp_path, journal)
    labels = [sample.label for part in few.splits.values() for sample in part]
    assert isinstance(found.result, Evaluation) and found.split == "3 folds"
    assert (
        found.result.images == len(labels) and np.bincount(found.result.labels).tolist() == np.bincount(labels).tolist()
    )
    assert np.allclose(found.result.probabilities.sum(axis=1), 1, atol=1e-4)
    again = crossed(few, seen, tmp_path / "elsewhere", Journal(tmp_path / "journal.json"))  # nothing is trained again
    assert np.array_equal(again.result.probabilities, found.result.probabilities)
    assert not (tmp_path / "elsewhere").exists()


def test_several_labels(few: Dataset, seen: Examination, tmp_path: Path) -> None:
    def several(samples):
        return tuple(dataclasses.replace(s, label=-1, several=(s.label,)) for s in samples)

    tagged = dataclasses.replace(
        few, task="multilabel", splits={name: several(part) for name, part in few.splits.items()}
    )

    def make() -> Network:
        net = create_model("mobilenet_v1", width=0.25, resolution=16, classes=["0", "1"], channels=1)
        net.task = "multilabel"
        return net

    history = History(Recipe(epochs=1, batch=8, flip=False, color=0.0), seconds=1.0, passes=1.0)
    found = cross_validate(make, tagged, seen, history, 3, 60.0, tmp_path, "cpu", False, Journal())
    assert found is not None and isinstance(found.result, MultilabelEvaluation)
    assert found.result.images == sum(map(len, few.splits.values())) and found.result.truth.any(axis=1).all()


def test_classes_too_small_for_it(few: Dataset, seen: Examination, tmp_path: Path) -> None:
    train = [sample for sample in few.splits["train"] if sample.label == 0]
    ones = [sample for part in few.splits.values() for sample in part if sample.label == 1]
    rare = dataclasses.replace(few, splits={"train": (*train, ones[0]), "val": (ones[1],)})
    assert crossed(rare, seen, tmp_path, Journal()) is None

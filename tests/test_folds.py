"""k-fold cross-validation: what is dealt, what is reported, and that a stopped run goes on fold by fold."""

from __future__ import annotations

import json
import shutil
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pocketvision as pv
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.doctor import Examination
from pocketvision.data.folds import all_folds, deal_folds, hold_out_fold
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.sources import open_dataset
from pocketvision.errors import InputError
from pocketvision.fitting.folds import CrossValidation
from pocketvision.runfolder import RunFolder
from pocketvision.training.divergence import Divergence
from pocketvision.training.recipe import Recipe

RECIPE = Recipe(epochs=12, batch=4, lr=6e-3, flip=False, color=0.0, crop=(0.9, 1.0))
SMALL = {"width": 0.25, "resolution": 16, "show": False, "recipe": RECIPE}


def labelled(counts: dict[str, int], group_of: int = 0) -> Dataset:
    """So many images of each class; with `group_of`, groups of so many."""
    samples = [
        Sample(ImageFile(Path(f"{name}{i}")), label, f"{name}{i:03}", f"{name}{i // group_of}" if group_of else "")
        for label, (name, number) in enumerate(counts.items())
        for i in range(number)
    ]
    return Dataset("data", "data", tuple(counts), {"train": tuple(samples)})


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 20 real digits, and a test split of 10 each."""
    loaded = pytest.importorskip("sklearn.datasets").load_digits()
    folder = tmp_path_factory.mktemp("folds") / "few"
    for label in range(2):
        for i, index in enumerate(np.flatnonzero(loaded.target == label)[:30]):
            place = folder / ("train" if i < 20 else "test") / str(label)
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray((loaded.images[index] * 15).astype(np.uint8)).save(place / f"{i:02}.png")
    return folder


@pytest.mark.parametrize("group_of", [0, 1, 3])
def test_every_image_is_held_out_once_and_classes_keep_their_shares(group_of: int) -> None:
    dataset = labelled({"a": 60, "b": 31, "c": 15}, group_of)
    dealt = deal_folds(dataset, 5, seed=1)
    assert list(dealt.splits) == [f"fold-{i}" for i in range(1, 6)]
    names = Counter(sample.name for part in dealt.splits.values() for sample in part)
    assert names == Counter(sample.name for sample in dataset.splits["train"])
    for label, images in enumerate((60, 31, 15)):
        held = [sum(sample.label == label for sample in part) for part in dealt.splits.values()]
        assert max(held) - min(held) <= max(1, group_of) and sum(held) == images
    groups = [{sample.group for sample in part if group_of} for part in dealt.splits.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))
    once = hold_out_fold(dealt, "fold-2")
    assert once.splits["val"] == dealt.splits["fold-2"]
    assert set(once.splits["train"]) | set(once.splits["val"]) == set(dataset.splits["train"])
    assert all_folds(dealt) == dataset
    assert deal_folds(dataset, 5, seed=1) == dealt != deal_folds(dataset, 5, seed=2)


def test_a_given_val_is_dealt_as_well_and_test_is_not() -> None:
    part = labelled({"a": 8, "b": 8}).splits["train"]
    dealt = deal_folds(
        Dataset("data", "data", ("a", "b"), {"train": part[2:-2], "val": part[:2], "test": part[-2:]}), 2
    )
    assert sorted(s.name for name in ("fold-1", "fold-2") for s in dealt.splits[name]) == [s.name for s in part[:-2]]
    assert dealt.splits["test"] == part[-2:]
    assert all_folds(dealt).splits["test"] == part[-2:]


@pytest.mark.parametrize(
    ("counts", "group_of", "folds", "message"),
    [
        ({"a": 9, "b": 9}, 0, 1, "1 fold: give 2 or more"),
        ({"a": 9, "b": 4}, 0, 5, "has 4 images of class b, too few for 5 folds: give --folds 4, or add some"),
        ({"a": 9, "b": 1}, 0, 2, "has 1 image of class b, too few for 2 folds: add some"),
        ({"a": 20, "b": 9}, 3, 5, "has 3 groups of class b, too few for 5 folds: give --folds 3"),
    ],
)
def test_folds_that_the_data_do_not_allow(counts: dict[str, int], group_of: int, folds: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        deal_folds(labelled(counts, group_of), folds)


@pytest.fixture(scope="module")
def crossed(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("crossed") / "run"
    return out, pv.train(digits, "mobilenet_v1", folds=3, out=out, **SMALL)


def test_what_is_reported(crossed: tuple[Path, dict], digits: Path) -> None:
    out, report = crossed
    assert report == json.loads((out / "result.json").read_text())
    folds = report["folds"]
    assert [fold["fold"] for fold in folds] == [1, 2, 3] and sum(fold["images"] for fold in folds) == 40
    each = [fold["top1"] for fold in folds]
    assert report["top1"] == pytest.approx(sum(round(fold["top1"] * fold["images"]) for fold in folds) / 40)
    assert report["top1_mean"] == pytest.approx(statistics.mean(each))
    assert report["top1_std"] == pytest.approx(np.std(each, ddof=1))
    low, high = report["top1_interval"]
    assert low < report["top1"] <= high and report["images"] == 40 and report["split"] == "3 folds"
    assert report["top1"] > 0.7  # a half would be chance
    net = pv.load(out / "model.safetensors")
    assert net.metrics["top1"] == report["top1"] and net.metrics["split"] == "3 folds"
    assert pv.evaluate(net, digits)["top1"] == report["test"]["top1"]
    trained = json.loads((out / "splits.json").read_text())["splits"]
    for i, fold in enumerate(folds, 1):
        network = pv.load(out / f"fold-{i}")
        dataset = open_dataset(digits, network.classes)
        held_out = [s for s in dataset.splits["train"] if s.name in trained[f"fold-{i}"]]
        right = sum(network.classes[s.label] == network.predict(s.image)[0].top(1)[0][1] for s in held_out)
        assert right == round(fold["top1"] * fold["images"])


def test_a_stopped_run_goes_on_fold_by_fold(crossed: tuple[Path, dict], digits: Path, tmp_path: Path) -> None:
    """Stopped after the second fold's last epoch: the first is not touched, the third and the network are the same."""
    whole, report = crossed
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for name in ("result.json", "fold-2/result.json", "model.safetensors", "state/training.safetensors"):
        (out / name).unlink()
    shutil.rmtree(out / "fold-3")
    (out / "fold-1" / "model.safetensors").unlink()  # would be written again if that fold were
    again = pv.train(digits, "mobilenet_v1", folds=3, out=out, **SMALL)
    assert not (out / "fold-1" / "model.safetensors").exists()
    assert [fold["top1"] for fold in again["folds"]] == [fold["top1"] for fold in report["folds"]]
    for name in ("", "fold-3"):
        ours, theirs = (pv.load(folder / name).state_dict() for folder in (out, whole))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_folds_share_the_time_and_one_that_diverges_is_named(tmp_path: Path) -> None:
    given: list[tuple[float | None, float | None]] = []

    def train_one(*arguments: Any) -> dict[str, Any]:
        given.append(arguments[4:])
        if len(given) == 3:
            raise Divergence(3, 0.5, 1.0).error(None)
        return {"epochs": 0.4, "seconds": 12.0, "images": 6, "top1": 0.5}

    seen = Examination(18, ["a", "b"], {}, None, {}, [], [], [], [], {}, [])
    crossed = CrossValidation(3, lambda: None, train_one, RECIPE, 40.0, {}, show=False)
    with pytest.raises(InputError, match=r"^fold 3 of 3: the training diverged in epoch 3.* --lr 0.1, with --fresh"):
        crossed.run(RunFolder(tmp_path, {}, "result.json"), labelled({"a": 9, "b": 9}), seen)
    # Of 40 s each of four trainings gets a quarter; the first took 2 s longer, which the others have less.
    assert given == [(10.0, None), (pytest.approx(28 / 3), 0.4), (8.0, 0.4)]


def test_a_fresh_start_leaves_no_fold_behind(crossed: tuple[Path, dict], digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(crossed[0], out)

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pocketvision.fitting.train.Trainer", stop)
        pv.train(digits, "mobilenet_v1", folds=3, out=out, fresh=True, **SMALL)
    assert not list(out.glob("fold-*/result.json")) and not list(out.glob("fold-*/state/training.safetensors"))


def test_the_command_line(crossed: tuple[Path, dict], digits: Path, call_cli, tmp_path: Path) -> None:
    arguments = ("train", digits, "--model", "mobilenet_v1", "--width", "0.25", "--resolution", "16", "--epochs", "1")
    out = tmp_path / "run"
    status, _, stderr = call_cli(*arguments, "--folds", "21", "--out", out)
    assert status == 2 and "20 images of class 0, too few for 21 folds: give --folds 20" in stderr
    assert not out.exists()  # the mended command starts clean
    status, stdout, stderr = call_cli(*arguments, "--folds", "2", "--out", out)
    assert status == 0, stderr
    assert "fold 2 of 2" in stderr and "all 40 images" in stderr
    assert "fold 1" in stdout and "2 folds" in stdout
    with pytest.raises(InputError, match=r"\(recipe, folds differ\)"):  # a run of one network is another run
        pv.train(digits, "mobilenet_v1", out=out, **SMALL)

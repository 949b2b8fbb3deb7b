"""A table may say what belongs together and what is held out; a carved split then keeps groups whole."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datafolders import PACKINGS, Packing, names, plant
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts, load_splits, save_splits, split
from pocketvision.errors import InputError


def grouped(groups: dict[str, dict[str, int]]) -> Dataset:
    """group name -> images of each class; a name that starts with - is no group."""
    classes = tuple(sorted({label for counts in groups.values() for label in counts}))
    samples = [
        Sample(ImageFile(Path(f"{group}-{label}-{i}.png")), classes.index(label), f"{group}-{label}-{i}", group)
        for group, counts in groups.items()
        for label, number in counts.items()
        for i in range(number)
    ]
    return Dataset("films", "films", classes, {"train": tuple(samples)})


def torn(dataset: Dataset) -> set[str]:
    """Groups that are in more than one split."""
    homes: dict[str, set[str]] = {}
    for name, part in dataset.splits.items():
        for sample in part:
            homes.setdefault(sample.group, set()).add(name)
    return {group for group, found in homes.items() if group and len(found) > 1}


def films(seed: int, number: int = 60) -> dict[str, dict[str, int]]:
    """Films of 1 to 30 frames; most show one class, some two; classes differ in frequency by ten."""
    chance = random.Random(seed)
    made: dict[str, dict[str, int]] = {}
    for i in range(number):
        shown = chance.choices("abc", (10, 4, 1), k=1 + (chance.random() < 0.2))
        made[f"film{i}"] = {label: chance.randint(1, 30) for label in sorted(set(shown))}
    return made


@pytest.mark.parametrize("seed", range(8))
def test_groups_stay_whole_and_classes_keep_their_shares(seed: int) -> None:
    """At least as close to a fifth of every class as scikit-learn's own splitter."""
    model_selection = pytest.importorskip("sklearn.model_selection")
    dataset = grouped(films(seed))
    parts = split(dataset, seed=seed)
    assert torn(parts) == set()
    assert sorted(s.name for part in parts.splits.values() for s in part) == sorted(
        s.name for s in dataset.splits["train"]
    )
    counts = class_counts(parts)
    shares = [counts["val"][name] / (counts["val"][name] + counts["train"][name]) for name in dataset.classes]
    labels = np.array([s.label for s in dataset.splits["train"]])
    groups = [s.group for s in dataset.splits["train"]]
    folds = model_selection.StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, groups)
    theirs = [[(labels[held] == label).sum() / (labels == label).sum() for label in range(3)] for _, held in folds]
    ours = max(abs(share - 0.2) for share in shares)
    assert ours <= max(0.05, np.mean([max(abs(share - 0.2) for share in fold) for fold in theirs]))


def test_the_seed_decides_and_nothing_else() -> None:
    dataset = grouped({f"film{i}": {"ab"[i % 2]: 4} for i in range(40)})
    assert split(dataset, seed=1) == split(dataset, seed=1)
    assert split(dataset, seed=1) != split(dataset, seed=2)


def test_images_without_a_group_stand_alone() -> None:
    dataset = grouped({"film": {"a": 10}, "": {"a": 10, "b": 20}})
    parts = split(dataset)
    assert torn(parts) == set()
    assert class_counts(parts)["val"] == {"a": 4, "b": 4}


@pytest.mark.parametrize(
    ("groups", "val"),
    [
        ({"1": {"a": 50}, "2": {"a": 50}, "3": {"b": 50}, "4": {"b": 50}}, {"a": 50, "b": 50}),  # halves, or nothing
        ({"1": {"a": 90}, "2": {"a": 10}, "3": {"b": 9}, "4": {"b": 1}}, {"a": 10, "b": 1}),  # the smaller is held out
        ({"1": {"a": 8}, "2": {"a": 2}, "3": {"b": 5}}, {"a": 2, "b": 0}),  # b has one group: it stays to learn from
        ({"1": {"a": 5, "b": 5}, "2": {"a": 5, "b": 5}, "3": {"a": 5, "b": 5}}, {"a": 5, "b": 5}),
    ],
)
def test_few_groups(groups: dict[str, dict[str, int]], val: dict[str, int]) -> None:
    for seed in range(5):
        assert class_counts(split(grouped(groups), seed=seed))["val"] == val


def test_groups_that_cannot_be_split() -> None:
    with pytest.raises(InputError, match=r"has one group only \(film\), .* add images of another group"):
        split(grouped({"film": {"a": 10, "b": 10}}))
    with pytest.raises(InputError, match="every group is the only one of some class"):
        split(grouped({"1": {"a": 10}, "2": {"b": 10}}))


@pytest.mark.parametrize("pack", PACKINGS)
def test_the_columns_of_a_table(tmp_path: Path, pack: Packing) -> None:
    folder = plant(tmp_path / "table", *(f"{i}.png" for i in range(6)))
    rows = [
        ("0", "ant", "x", "train"),
        ("1", "bee", "", "Train"),
        ("2", "ant", "y", "valid"),
        ("3", "bee", "z", "test"),
    ]
    text = "path,label,group,split\n" + "".join(f"{i}.png,{label},{group},{part}\n" for i, label, group, part in rows)
    (folder / "labels.csv").write_text(text)
    dataset = open_dataset(pack(folder))
    assert names(dataset) == {
        "train": [("0.png", "ant"), ("1.png", "bee")],
        "val": [("2.png", "ant")],
        "test": [("3.png", "bee")],
    }
    assert [s.group for part in dataset.splits.values() for s in part] == ["x", "", "y", "z"]
    assert split(dataset) is dataset


def test_saved_splits_keep_the_groups(tmp_path: Path) -> None:
    dataset = split(grouped(films(0)))
    save_splits(dataset, tmp_path / "splits.json")
    assert load_splits(tmp_path / "splits.json", grouped(films(0))) == dataset
    ungrouped = replace(dataset, splits={"train": tuple(replace(s, group="") for s in dataset.splits["train"])})
    assert split(ungrouped) != dataset


def test_training_keeps_films_apart(tmp_path: Path, call_cli) -> None:
    """Through the command line: real digits, ten frames each of a film that shows one of them, shifted."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    with (tmp_path / "films.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "group"])
        for film in range(30):
            label = film % 3
            picture = digits.images[np.flatnonzero(digits.target == label)[film]]
            for frame in range(10):
                name = f"{film:02}-{frame}.png"
                moved = np.roll(picture * 15, (frame % 3 - 1, frame // 3 - 1), (0, 1))
                Image.fromarray(moved.astype(np.uint8)).save(tmp_path / name)
                table.writerow([name, f"digit{label}", f"film{film}"])
    arguments = ("train", tmp_path / "films.csv", "--model", "mobilenet_v1", "--width", "0.25", "--resolution", "16")
    status, stdout, stderr = call_cli(*arguments, "--epochs", "1", "--out", tmp_path / "run", "--json")
    assert status == 0, stderr
    assert json.loads(stdout)["images"] == 60
    saved = json.loads((tmp_path / "run" / "splits.json").read_text())["splits"]
    homes = {part: {name[:2] for name in images} for part, images in saved.items()}
    assert not homes["train"] & homes["val"] and len(homes["val"]) == 6
    assert Counter(saved["val"].values()) == {0: 20, 1: 20, 2: 20}

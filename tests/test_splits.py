"""A validation split is stratified, repeatable and remembered; training needs more than evaluation."""

import json
from pathlib import Path

import pytest

from datafolders import PACKINGS, Packing, names, plant
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts, load_splits, require_classes, save_splits, split
from pocketvision.errors import InputError


def many(root: Path, **counts: int) -> Dataset:
    return open_dataset(
        plant(root, *(f"{name}/{index:03}.png" for name, count in counts.items() for index in range(count)))
    )


def test_split_is_stratified_and_keeps_every_image_once(tmp_path: Path) -> None:
    dataset = many(tmp_path / "data", a=50, b=10, c=2, d=1)
    parts = split(dataset)
    assert class_counts(parts) == {"train": {"a": 40, "b": 8, "c": 1, "d": 1}, "val": {"a": 10, "b": 2, "c": 1, "d": 0}}
    assert sorted(parts.splits["train"] + parts.splits["val"], key=lambda s: s.name) == list(dataset.splits["train"])
    assert class_counts(split(dataset, 0.99))["train"] == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_of_many_images_only_so_many_are_held_out() -> None:
    def held_out(images: int) -> int:
        samples = tuple(Sample(ImageFile(Path(f"{i}")), i % 2, f"{i}") for i in range(images))
        return len(split(Dataset("d", "d", ("a", "b"), {"train": samples})).splits["val"])

    assert [held_out(images) for images in (20, 20_000, 40_000)] == [4, 4000, 5000]


def test_split_is_deterministic_and_the_seed_matters(tmp_path: Path) -> None:
    dataset = many(tmp_path / "data", a=50, b=10)
    assert split(dataset, seed=3) == split(many(tmp_path / "data", a=50, b=10), seed=3)
    assert split(dataset, seed=3) != split(dataset, seed=4)
    # A constant: a change of the shuffling would change every run's validation images, and must not go unnoticed.
    assert [s.name for s in split(dataset).splits["val"] if s.label == 1] == ["b/001.png", "b/009.png"]


def test_split_leaves_a_given_val_and_test_alone(tmp_path: Path) -> None:
    given = open_dataset(plant(tmp_path / "given", "train/a/1.png", "train/a/2.png", "val/a/1.png"))
    assert split(given) is given
    tested = open_dataset(plant(tmp_path / "tested", "train/a/1.png", "train/a/2.png", "test/a/1.png"))
    assert {name: len(part) for name, part in split(tested).splits.items()} == {"train": 1, "val": 1, "test": 1}
    assert split(tested).splits["test"] == tested.splits["test"]


def test_split_that_is_not_possible(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one image per class"):
        split(many(tmp_path / "data", a=1, b=1))
    with pytest.raises(InputError, match="validation share of 1 "):
        split(many(tmp_path / "more", a=5), 1.0)


@pytest.mark.parametrize("pack", PACKINGS)
def test_saved_splits_give_the_same_samples(tmp_path: Path, pack: Packing) -> None:
    folder = tmp_path / "data"
    dataset = split(many(folder, a=5, b=5), seed=1)
    save_splits(dataset, tmp_path / "splits.json")
    plant(folder, "a/new.png", "c/new.png")
    moved = pack(folder)
    again = load_splits(tmp_path / "splits.json", open_dataset(moved))
    assert again.classes == dataset.classes
    assert names(again) == names(dataset)
    for name, part in again.splits.items():
        assert [s.label for s in part] == [s.label for s in dataset.splits[name]]
        assert [s.image.read() for s in part] == [s.image.read() for s in dataset.splits[name]]


def test_saved_splits_are_readable_and_keep_the_order_of_classes(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "train/ä/1.png", "val/ä/1.png")
    save_splits(open_dataset(folder, ["z", "ä"]), tmp_path / "splits.json")
    content = json.loads((tmp_path / "splits.json").read_text())
    assert content["classes"] == ["z", "ä"]
    assert content["splits"] == {"train": {"train/ä/1.png": 1}, "val": {"val/ä/1.png": 1}}
    assert load_splits(tmp_path / "splits.json", open_dataset(folder)).classes == ("z", "ä")


def test_saved_splits_of_data_that_changed(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "a.png", "b.png")
    table = folder / "labels.csv"
    table.write_text("path,label\na.png,ant\nb.png,bee\n")
    save_splits(open_dataset(folder), tmp_path / "splits.json")
    table.write_text("path,label\na.png,bee\nb.png,bee\n")
    with pytest.raises(InputError, match=r"a\.png was labelled ant in .*splits\.json and is bee in data"):
        load_splits(tmp_path / "splits.json", open_dataset(folder))
    table.write_text("path,label\nb.png,bee\n")
    with pytest.raises(InputError, match=r"1 image of .*splits\.json \(first: a\.png\) no longer in data"):
        load_splits(tmp_path / "splits.json", open_dataset(folder))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "classes": ["a"], "splits": []}',
        '{"format": 1, "classes": ["a"], "splits": {"train": {"a/000.png": 1}}}',
        '{"format": 1, "classes": ["a"], "splits": {"train": {"a/000.png": "a"}}}',
        '{"format": 1, "classes": ["a"], "splits": {"train": ["a/000.png"]}}',
    ],
)
def test_damaged_splits(tmp_path: Path, content: str) -> None:
    (tmp_path / "splits.json").write_text(content)
    with pytest.raises(InputError, match=r"cannot read splits .*splits\.json: damaged .*; start a new run"):
        load_splits(tmp_path / "splits.json", many(tmp_path / "data", a=1))


def test_missing_splits(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        load_splits(tmp_path / "splits.json", many(tmp_path / "data", a=1))


# --- training needs more than evaluation


@pytest.mark.parametrize(
    ("files", "classes", "message"),
    [
        (["ants/1.png"], None, r"one class only \(ants\)"),
        (["val/ants/1.png", "test/bees/1.png"], None, r"no images to train on \(only val, test\)"),
        (["train/ants/1.png", "val/bees/1.png"], ["ants", "bees"], r"of 1 class \(first: bees\)"),
    ],
)
def test_data_that_cannot_be_trained_on(
    tmp_path: Path, files: list[str], classes: list[str] | None, message: str
) -> None:
    dataset = open_dataset(plant(tmp_path / "data", *files), classes)
    with pytest.raises(InputError, match=message):
        require_classes(dataset)

"""Whatever of a folder is not learnt from, or is read in one of two ways, is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from datafolders import plant
from pocketvision.data.sources import open_dataset
from pocketvision.errors import InputError


def test_images_in_no_class_folder_are_said(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "a/1.png", "b/1.png", "cover.png", "README.md")
    assert open_dataset(folder).notes == (
        ("warning", "1 image lies in no class folder and will not be used (cover.png): move them into one"),
    )
    folder = plant(tmp_path / "splits", "train/a/1.png", "train/b/1.png", "train/x.png", "extra/1.png", "test/a/1.png")
    ((_, said),) = open_dataset(folder).notes
    assert said.startswith("2 images lie in no class folder and will not be used (extra/1.png, train/x.png): move")


def notes(folder: Path) -> list[tuple[str, str]]:
    return [(severity, said.split(": ", 1)[1]) for severity, said in open_dataset(folder).notes]


def test_folders_inside_class_folders_are_said(tmp_path: Path) -> None:
    groups = plant(tmp_path / "groups", "animals/cat/1.png", "animals/dog/1.png", "vehicles/car/1.png")
    assert notes(groups) == [("note", "animals (cat, dog), vehicles (car): move up what is a class")]
    twice = plant(tmp_path / "twice", "train/set1/a/1.png", "train/set1/b/1.png", "train/set2/a/1.png")
    assert notes(twice) == [("warning", "set1 (a, b), set2 (a): move up what is a class")]
    assert notes(plant(tmp_path / "one", "cat/images/1.png", "dog/images/1.png")) == []


def test_tables_that_are_not_read_are_said(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "train/a/1.png", "train/b/1.png")
    (folder / "labels.csv").write_text("path,label\n")
    ((severity, said),) = open_dataset(folder).notes
    assert severity == "warning" and said.startswith("folders are the classes, not what is in labels.csv: give a table")
    (folder / "labels.csv").rename(folder / "metrics.csv")
    assert [severity for severity, _ in open_dataset(folder).notes] == ["note"]


def test_a_table_in_other_capitals(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "images/1.png", "images/2.png")
    (folder / "Labels.CSV").write_text("path,label\nimages/1.png,a\nimages/2.png,b\n")
    assert open_dataset(folder).classes == ("a", "b") and open_dataset(folder / "Labels.CSV").classes == ("a", "b")
    (folder / "Labels.CSV").write_text("path,label\nimages,a\nimages/2.png,b\n")
    with pytest.raises(
        InputError, match=r"Labels\.CSV names 1 image .* \(first: images\): that is a folder: write a row"
    ):
        open_dataset(folder)


def test_a_link_to_nothing_is_no_class_in_silence(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "a/1.png", "b/1.png")
    (folder / "c").symlink_to(tmp_path / "unmounted")
    (folder / "d").symlink_to(folder / "d")
    assert open_dataset(folder).notes == (("warning", "2 links lead to nothing: c, d"),)

"""Every form of data opens to the same samples, with the class map locked."""

import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from datafolders import PACKINGS, Packing, as_tar, names, plant, png
from pocketvision.data.builtin import Builtin, builtin_path
from pocketvision.data.classes import natural
from pocketvision.data.image import decode
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts, require_classes, split
from pocketvision.errors import InputError

# --- forms


@pytest.mark.parametrize("pack", PACKINGS)
@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_split_folders(tmp_path: Path, pack: Packing, val: str) -> None:
    folder = plant(
        tmp_path / "insects",
        *("train/ants/2.png", "train/ants/10.png", "train/bees/deep/er/1.PNG", f"{val}/ants/1.png", "test/bees/1.png"),
        *(".hidden/ants/1.png", "train/.cache/1.png", "train/ants/.1.png", "train/ants/notes.txt", "README.md"),
        *("__MACOSX/train/ants/1.png", "train/ants/Thumbs.db", "extra/1.png", "train/stray.png"),
    )
    dataset = open_dataset(pack(folder))
    assert dataset.classes == ("ants", "bees")
    assert names(dataset) == {
        "train": [
            ("train/ants/10.png", "ants"),
            ("train/ants/2.png", "ants"),
            ("train/bees/deep/er/1.PNG", "bees"),
        ],
        "val": [(f"{val}/ants/1.png", "ants")],
        "test": [("test/bees/1.png", "bees")],
    }
    assert list(dataset.splits) == ["train", "val", "test"]
    for part in dataset.splits.values():
        for sample in part:
            assert sample.image.read() == (folder / sample.name).read_bytes()
            assert decode(sample.image).shape == (6, 5, 3)
    assert class_counts(dataset) == {
        "train": {"ants": 2, "bees": 1},
        "val": {"ants": 1, "bees": 0},
        "test": {"ants": 0, "bees": 1},
    }
    require_classes(dataset)


@pytest.mark.parametrize("pack", PACKINGS)
def test_class_folders(tmp_path: Path, pack: Packing) -> None:
    folder = plant(tmp_path / "digits", "10/1.png", "9/a/1.png", "9/b/1.png", "9/readme.md", "1/1.png", "cover.png")
    dataset = open_dataset(str(pack(folder)))
    assert dataset.classes == ("1", "9", "10")
    assert names(dataset) == {"train": [("1/1.png", "1"), ("10/1.png", "10"), ("9/a/1.png", "9"), ("9/b/1.png", "9")]}
    assert dataset.source == str(pack(folder))
    assert dataset.name == pack(folder).stem


@pytest.mark.parametrize("pack", PACKINGS)
def test_a_lone_table(tmp_path: Path, pack: Packing) -> None:
    folder = plant(tmp_path / "table", "b.png", "images/a.png", "images/unlisted.png")
    (folder / "labels.csv").write_text("path,label,width\nb.png,bee,5\n./images/a.png,ant,5\nb.png,bee,5\n\n")
    dataset = open_dataset(pack(folder))
    assert dataset.classes == ("ant", "bee")
    assert names(dataset) == {"train": [("b.png", "bee"), ("images/a.png", "ant")]}
    assert [sample.image.read() for sample in dataset.splits["train"]] == [png(0), png(1)]


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na.png,ant\nb c.png,bee\n",
        "\ufeffpath,label\r\na.png,ant\r\nb c.png,bee\r\n",
        "Label;width; PATH\nant;5;a.png\nbee;6;b c.png",
        'path\tlabel\n"a.png"\tant\nb c.png\t bee \n',
        "path,label\n{folder}/a.png,ant\n..\\table\\b c.png,bee\n",
    ],
)
def test_tables_as_people_write_them(tmp_path: Path, content: str) -> None:
    folder = plant(tmp_path / "table", "a.png", "b c.png")
    table = tmp_path / "table" / "mine.csv"
    table.write_bytes(content.replace("{folder}", str(folder)).encode())
    dataset = open_dataset(table)
    assert dataset.name == "mine"
    assert names(dataset) == {"train": [("a.png", "ant"), ("b c.png", "bee")]}
    assert [sample.image.read() for sample in dataset.splits["train"]] == [png(0), png(1)]


def test_a_table_with_tabs_by_its_suffix(tmp_path: Path) -> None:
    folder = plant(tmp_path / "table", "a.png", "b.png")
    (folder / "mine.tsv").write_text("path\tlabel\na.png\tant, black\nb.png\tbee\n")
    assert open_dataset(folder / "mine.tsv").classes == ("ant, black", "bee")


def test_a_table_may_name_images_elsewhere(tmp_path: Path) -> None:
    plant(tmp_path, "images/a.png", "table/")
    (tmp_path / "table" / "labels.csv").write_text("path,label\n../images/a.png,ant\n")
    for data in (tmp_path / "table", tmp_path / "table" / "labels.csv"):
        dataset = open_dataset(data)
        assert (dataset.name, names(dataset)) == ("table", {"train": [("../images/a.png", "ant")]})


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (["bee", "ant"], ["bee", "ant", "fly"], [0, 1]),  # names
        (["2", "0"], ["bee", "ant", "fly"], [2, 0]),  # indices
        (["2", "3"], ["3", "2"], [1, 0]),  # numbers that are names
        (["10", "9"], None, [1, 0]),  # numbers as names, in the order of their values
    ],
)
def test_labels_of_a_table(tmp_path: Path, labels: list[str], classes: list[str] | None, expected: list[int]) -> None:
    folder = plant(tmp_path / "table", "a.png", "b.png")
    (folder / "labels.csv").write_text(f"path,label\na.png,{labels[0]}\nb.png,{labels[1]}\n")
    dataset = open_dataset(folder, classes)
    assert [sample.label for sample in dataset.splits["train"]] == expected
    assert dataset.classes == tuple(classes or sorted(labels, key=int))


def test_given_classes_lock_the_map(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "bees/1.png", "ants/")
    dataset = open_dataset(folder, ["wasps", "bees", "ants"])
    assert dataset.classes == ("wasps", "bees", "ants")
    assert [sample.label for sample in dataset.splits["train"]] == [1]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    folder = plant(tmp_path / "traffic", "bus/1.png", "train/1.png", "car/1.png")
    assert open_dataset(folder).classes == ("bus", "car", "train")


def test_a_lone_folder_is_a_class_when_the_classes_say_so(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "ants/monday/1.png", "ants/tuesday/1.png")
    assert open_dataset(folder).classes == ("monday", "tuesday")
    assert names(open_dataset(folder, ["ants", "bees"]))["train"][0] == ("ants/monday/1.png", "ants")


def test_evaluation_data_needs_no_train_split(tmp_path: Path) -> None:
    dataset = open_dataset(plant(tmp_path / "data", "val/b/1.png", "test/a/1.png"))
    assert dataset.classes == ("a", "b")
    assert list(dataset.splits) == ["val", "test"]
    assert split(dataset) is dataset


def test_an_empty_val_folder_is_none(tmp_path: Path) -> None:
    dataset = open_dataset(plant(tmp_path / "data", "train/a/1.png", "val/a/", "test/"))
    assert list(dataset.splits) == ["train"]


def test_folders_that_are_links(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "ants/1.png", "bees/1.png")
    (folder / "ants" / "round").symlink_to(folder)
    (folder / "flies").symlink_to(folder / "bees")
    assert open_dataset(folder).classes == ("ants", "bees", "flies")
    assert len(open_dataset(folder).splits["train"]) == 3


def test_hard_links_in_a_tar(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "ants/1.png", "bees/1.png")
    os.link(folder / "ants" / "1.png", folder / "ants" / "2.png")
    dataset = open_dataset(as_tar(folder))
    assert names(dataset)["train"] == [("ants/1.png", "ants"), ("ants/2.png", "ants"), ("bees/1.png", "bees")]
    assert dataset.splits["train"][0].image.read() == dataset.splits["train"][1].image.read() == png(0)


def test_long_names_in_a_tar(tmp_path: Path) -> None:
    name = "ants/" + "a" * 150 + "ä.png"
    dataset = open_dataset(as_tar(plant(tmp_path / "data", name, "bees/1.png")))
    assert dataset.splits["train"][0].name == name
    assert dataset.splits["train"][0].image.read() == png(0)


def test_names_are_sorted_as_people_do() -> None:
    given = ["class10", "B", "2", "10", "class9", "a", "class9b", "1.5", ""]
    assert sorted(given, key=natural) == ["", "1.5", "2", "10", "a", "B", "class9", "class9b", "class10"]


def test_the_order_does_not_depend_on_the_archive(tmp_path: Path) -> None:
    members = ["z/2.png", "a/2.png", "z/1.png", "a/1.png"]
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name in members:
            archive.writestr(name, png())
    assert [sample.name for sample in open_dataset(tmp_path / "data.zip").splits["train"]] == sorted(members)


def test_shared_archives(shared: Path) -> None:
    insects = open_dataset(shared / "data" / "ants_bees.tar")
    assert insects.classes == ("ants", "bees")
    assert {name: len(part) for name, part in insects.splits.items()} == {"train": 245, "val": 153}
    classes = [str(index) + "th" for index in range(1000)]
    sample = open_dataset(shared / "data" / "imagenet_sample.tar", classes)
    assert len(sample.splits["train"]) == 300
    assert all(int(item.name[:4]) == item.label for item in sample.splits["train"])


# --- built-in


def test_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "cache"))
    dataset = open_dataset("digits")
    assert (dataset.name, dataset.source, len(dataset.splits["train"])) == ("digits", "digits", 1797)
    assert dataset.classes == tuple("0123456789")
    digits = datasets.load_digits()
    for sample in dataset.splits["train"][::100]:
        index = int(Path(sample.name).stem)
        assert sample.label == digits.target[index]
        assert np.array_equal(decode(sample.image, 1)[:, :, 0], np.rint(digits.images[index] * 255 / 16))
    assert os.listdir(tmp_path / "cache") == ["digits"]
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)  # from now on a folder like any other
    assert open_dataset("digits") == dataset
    assert open_dataset(Path("digits")) == dataset
    monkeypatch.chdir(plant(tmp_path / "here", "digits/a/1.png"))
    assert open_dataset("./digits").classes == open_dataset(Path("digits")).classes == ("a",)


def test_digits_without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InputError, match=r"pip install 'pocketvision\[train\]'"):
        open_dataset("digits")
    assert os.listdir(tmp_path) == []


def test_a_killed_first_run_leaves_nothing_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path))

    def killed(folder: Path, download: bool) -> None:
        plant(folder, "0/1.png")
        raise KeyboardInterrupt

    monkeypatch.setattr("pocketvision.data.builtin.BUILTIN", {"digits": Builtin(killed)})
    with pytest.raises(KeyboardInterrupt):
        builtin_path("digits")
    assert os.listdir(tmp_path) == []


def test_two_first_runs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path))

    def slower(folder: Path, download: bool) -> None:
        plant(tmp_path / "digits", "0/quicker.png")
        plant(folder, "0/slower.png")

    monkeypatch.setattr("pocketvision.data.builtin.BUILTIN", {"digits": Builtin(slower)})
    assert os.listdir(builtin_path("digits") / "0") == ["quicker.png"]
    assert os.listdir(tmp_path) == ["digits"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot write to folder"):
        open_dataset("digits")

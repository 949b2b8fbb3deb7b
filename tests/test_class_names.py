"""One class is one class: whatever Unicode form, archive, encoding or system folder stands between."""

from __future__ import annotations

import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest

from datafolders import PACKINGS, Packing, names, plant, png
from pocketvision.data.doctor import examine
from pocketvision.data.leftovers import is_leftover
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import load_splits, save_splits, split
from pocketvision.errors import InputError

COMPOSED = unicodedata.normalize("NFC", "Käfer")
DECOMPOSED = unicodedata.normalize("NFD", "Käfer")


class Unflagged(zipfile.ZipInfo):
    """A member whose name is in UTF-8, without the flag that says so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(), self.flag_bits


def as_finder_zip(folder: Path) -> Path:
    """As macOS's Finder writes it: decomposed names in unflagged UTF-8, and its leftovers."""
    path = folder.with_name("finder.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            name = unicodedata.normalize("NFD", str(file.relative_to(folder.parent)))
            archive.writestr(Unflagged(name), file.read_bytes())
            archive.writestr(Unflagged(f"__MACOSX/{Path(name).parent}/._{Path(name).name}"), b"\0\5\x16\7")
    return path


def test_a_zip_as_finder_writes_it(tmp_path: Path) -> None:
    folder = plant(tmp_path / "Löwen", f"{COMPOSED}/über.png", "bees/1.png")
    dataset = open_dataset(as_finder_zip(folder))
    assert dataset.classes == ("bees", COMPOSED)
    assert names(dataset) == {"train": [(f"{COMPOSED}/über.png", COMPOSED), ("bees/1.png", "bees")]}
    assert [sample.image.read() for sample in dataset.splits["train"]] == [png(0), png(1)]


def test_names_in_an_old_encoding_are_read_as_the_format_says_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        for name in ("Kxfer/1.png", "bees/1.png"):
            archive.writestr(name, png())
    content = (tmp_path / "old.zip").read_bytes().replace(b"Kxfer", "Käfer".encode("cp437"))
    (tmp_path / "old.zip").write_bytes(content)
    assert open_dataset(tmp_path / "old.zip").classes == ("bees", "Käfer")
    said = capsys.readouterr().err
    assert "1 name is not in UTF-8 and read as cp437 (first: Käfer/1.png)" in said and said.count("\n") == 1


def test_each_name_of_a_zip_is_read_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One old name says nothing of the others: UTF-8 with a flag, without one, and cp437 in one archive."""
    path = tmp_path / "mixed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for seed, name in enumerate(("Kxfer/1.png", Unflagged("Löwen/1.png"), "Bären/1.png", "bees/1.png")):
            archive.writestr(name, png(seed))
    path.write_bytes(path.read_bytes().replace(b"Kxfer", "Käfer".encode("cp437")))
    dataset = open_dataset(path)
    assert dataset.classes == ("bees", "Bären", "Käfer", "Löwen")
    found = {dataset.classes[sample.label]: sample.image.read() for sample in dataset.splits["train"]}
    assert found == {"Käfer": png(0), "Löwen": png(1), "Bären": png(2), "bees": png(3)}
    assert "1 name is not in UTF-8 and read as cp437 (first: Käfer/1.png)" in capsys.readouterr().err


def test_names_that_are_no_text_are_no_classes(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "old.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        plant(tmp_path / "data", "Käfer/1.png", "bees/1.png")
        tar.add(tmp_path / "data", "data")
    with pytest.raises(
        InputError, match="the name of class Käfer is not in UTF-8: rename it, or pack the archive anew"
    ):
        open_dataset(tmp_path / "old.tar")


@pytest.mark.parametrize("pack", PACKINGS)
def test_two_unicode_forms_are_one_class(tmp_path: Path, pack: Packing) -> None:
    folder = plant(
        tmp_path / "data",
        *(f"train/{COMPOSED}/1.png", f"train/{DECOMPOSED}/1.png", f"train/{DECOMPOSED}/2.png", "train/bees/1.png"),
        *(f"val/{DECOMPOSED}/1.png", f"test/{COMPOSED}/1.png"),
    )
    for classes in (None, ["bees", DECOMPOSED], ["bees", COMPOSED]):
        dataset = open_dataset(pack(folder), classes)
        assert dataset.classes == tuple(classes or ("bees", COMPOSED))
        found = {name: [sample.label for sample in part] for name, part in dataset.splits.items()}
        assert {name: sorted(labels) for name, labels in found.items()} == {
            "train": [0, 1, 1, 1],
            "val": [1],
            "test": [1],
        }
        every = [sample for part in dataset.splits.values() for sample in part]
        assert len({sample.name for sample in every}) == len({sample.image.read() for sample in every}) == 6


def test_two_unicode_forms_in_a_table(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", f"{DECOMPOSED}1.png", f"{COMPOSED}2.png", "3.png")
    rows = [(COMPOSED + "1", DECOMPOSED), (DECOMPOSED + "2", COMPOSED), ("3", "bee")]  # neither is the file's own form
    (folder / "labels.csv").write_text("path,label\n" + "".join(f"{path}.png,{label}\n" for path, label in rows))
    for data in (folder, PACKINGS[1](folder)):
        dataset = open_dataset(data)
        assert dataset.classes == ("bee", COMPOSED)
        assert names(dataset)["train"] == [("3.png", "bee"), *((f"{COMPOSED}{i}.png", COMPOSED) for i in (1, 2))]
    (folder / "labels.csv").write_text(f"path,labels\n{COMPOSED}1.png,{COMPOSED}|{DECOMPOSED}\n3.png,bee\n")
    assert open_dataset(folder).splits["train"][1].several == (1,)


def test_saved_splits_are_found_again_in_another_form(tmp_path: Path) -> None:
    """A run that began on a Mac's folder goes on with the zip of it, and the other way round."""
    many = [f"{label}/ä{i}.png" for label in (COMPOSED, "bees") for i in range(5)]
    ours = plant(tmp_path / "a" / "data", *(unicodedata.normalize("NFC", name) for name in many))
    theirs = plant(tmp_path / "b" / "data", *(unicodedata.normalize("NFD", name) for name in many))
    for one, other in ((ours, theirs), (theirs, ours)):
        dataset = split(open_dataset(one))
        save_splits(dataset, tmp_path / "splits.json")
        assert names(load_splits(tmp_path / "splits.json", open_dataset(other))) == names(dataset)
    old = (tmp_path / "splits.json").read_text().replace("\\u00e4", "a\\u0308")  # as earlier releases saved them
    (tmp_path / "splits.json").write_text(old)
    again = load_splits(tmp_path / "splits.json", open_dataset(ours))
    assert [s.name for s in again.splits["val"]] == [s.name for s in split(open_dataset(ours)).splits["val"]]
    assert again.classes == ("bees", DECOMPOSED)  # as the network that was begun with them has them


def test_a_model_with_one_class_twice(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", f"{COMPOSED}/1.png", "bees/1.png")
    with pytest.raises(InputError, match="is among the classes of the model twice"):
        open_dataset(folder, [COMPOSED, "bees", DECOMPOSED])


@pytest.mark.parametrize(
    "pair", [("Ants", "ants"), ("ant lion", "ant_lion"), ("ant", "ant\u200b"), ("ant", "ant\u00a0"), ("ﬁsh", "fish")]
)
def test_classes_that_look_alike_are_told(tmp_path: Path, pair: tuple[str, str]) -> None:
    folder = plant(tmp_path / "data", *(f"{label}/1.png" for label in (*pair, "bee")))
    found = examine(open_dataset(folder), show=False).findings
    assert any("are named alike" in finding["text"] and finding["severity"] == "warning" for finding in found)
    assert not any("bee" in finding["text"] for finding in found if "are named alike" in finding["text"])


# --- what systems leave behind

LEFT = (
    *("@eaDir/a/1.jpg@SynoEAStream", "@eaDir/1.png", "a/@eaDir/1.png/thumb.png", "__MACOSX/a/._1.png", ".git/x/1.png"),
    *(".thumbnails/1.png", "lost+found/1.png", "$RECYCLE.BIN/1.png", ".ipynb_checkpoints/1.png", "a/Thumbs.db"),
    *("a/desktop.ini", "a/._1.png", "System Volume Information/1.png", "#recycle/1.png", "a/Icon\r", "b/ehthumbs.db"),
    *("thumbs.db/1.png", "__pycache__/1.png", ".Trash-1000/files/1.png", "@Recycle/1.png", "lost+found/"),
    *("FOUND.001/1.png", "found.123/1.png", "~snapshot/1.png", "@sharebin/1.png", "#snapshot/1.png"),
)


@pytest.mark.parametrize("pack", PACKINGS)
@pytest.mark.parametrize("split_folder", ["", "train/"])
def test_system_folders_are_no_classes(tmp_path: Path, pack: Packing, split_folder: str) -> None:
    kept = [f"{split_folder}{label}/1.png" for label in "ab"]
    folder = plant(tmp_path / "data", *kept, *(split_folder + name for name in LEFT))
    dataset = open_dataset(pack(folder))
    assert dataset.classes == ("a", "b") and dataset.unread == ()
    assert [sample.name for sample in dataset.splits["train"]] == kept
    ((severity, said),) = dataset.notes
    assert severity == "note"
    assert f"passed over, hidden or left by a system or program: {split_folder}#recycle" in said.replace("data/", "")
    assert ", 17 more" in said or ", 16 more" in said  # folders, no files; no folder of a zip is empty


PROGRAMS = (
    *("RECYCLER/S-1-5-21/1.png", "Recycled/x/1.png", "wandb/run-1/files/media/1.png", "mlruns/0/artifacts/1.png"),
    *("lightning_logs/version_0/1.png", "runs/detect/exp/1.png", "node_modules/x/logo.png", "thumbs/a/1.png"),
)


@pytest.mark.parametrize("pack", PACKINGS[:4:3])
@pytest.mark.parametrize("split_folder", ["", "train/"])
def test_folders_of_programs_are_no_classes(tmp_path: Path, pack: Packing, split_folder: str) -> None:
    kept = [f"{split_folder}{label}/1.png" for label in ("a", "b", "b/runs")]
    folder = plant(tmp_path / "data", *kept, *(split_folder + name for name in PROGRAMS), "runs/events.out", "mlruns/")
    dataset = open_dataset(pack(folder))
    assert dataset.classes == ("a", "b") and dataset.unread == ()
    assert [sample.name for sample in dataset.splits["train"]] == kept
    (said,) = [said for severity, said in dataset.notes if severity == "warning"]
    assert said.startswith("passed over as folders of programs: ") and f"with {len(PROGRAMS)} images: rename" in said
    (finding,) = [finding for finding in examine(dataset, show=False).findings if "programs" in finding["text"]]
    assert finding == {"severity": "warning", "text": said}


def test_folders_of_programs_with_images_are_classes(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "Recycled/1.png", "recyclable/1.png", "runs/1.png", "wandb/x.txt", "thumbs/")
    dataset = open_dataset(folder)
    assert dataset.classes == ("recyclable", "Recycled", "runs")
    assert dataset.notes == (
        ("note", "passed over as folders of programs: thumbs, wandb, with no image: rename what is a class"),
    )


@pytest.mark.parametrize("name", ["recycled", "tmp", "lost", "database", "train", "eaDir", "Windows", "icon"])
def test_ordinary_names_are_no_leftovers(name: str) -> None:
    assert not is_leftover(name)


def test_runs_inside_the_data_are_no_classes(tmp_path: Path) -> None:
    """`cd photos; pocketvision fit .` writes its run into photos/runs."""
    run = (
        "runs/x-5ms/state/settings.json",
        "runs/x-5ms/report.html",
        "runs/x-5ms/plots/1.png",
        "runs/y/state/settings.json",
    )
    folder = plant(tmp_path / "data", "a/1.png", "b/1.png", *run)
    assert open_dataset(folder).classes == ("a", "b")
    plant(folder, "runs/dog.png")  # a class of running animals, with a run in it
    assert open_dataset(folder).classes == ("a", "b", "runs") and len(open_dataset(folder).splits["train"]) == 3
    assert open_dataset(plant(tmp_path / "x", "state/settings.json", "a/1.png", "b/1.png", "state/1.png")).classes


@pytest.mark.parametrize(
    ("training", "testing"),
    [
        ("training", "testing"),
        ("training_set", "test_set"),
        ("seg_train", "seg_test"),
        ("Train-Set", "Val-Set"),
        ("train", "dev"),
    ],
)
def test_folders_called_after_splits(tmp_path: Path, training: str, testing: str) -> None:
    folder = plant(
        tmp_path / "data", *(f"{top}/{name}/{i}.png" for top in (training, testing) for name in "ab" for i in "12")
    )
    dataset = open_dataset(folder)
    assert dataset.classes == ("a", "b") and len(dataset.splits) == 2
    assert {len(samples) for samples in dataset.splits.values()} == {4}


def test_folders_above_the_classes_are_no_classes(tmp_path: Path) -> None:
    folder = plant(tmp_path / "folds", *(f"fold{fold}/{name}/{i}.png" for fold in "012" for name in "ab" for i in "12"))
    with pytest.raises(
        InputError, match="fold0, fold1, fold2 each hold the same folders .a, b.: if these are the classes"
    ):
        open_dataset(folder)


def test_a_folder_beside_the_splits_is_not_passed_over(tmp_path: Path) -> None:
    names = [f"{top}/{name}/{i}.png" for top in ("train", "val", "extra") for name in "ab" for i in "12"]
    with pytest.raises(InputError, match="extra holds 4 images beside train, val, and is no split"):
        open_dataset(plant(tmp_path / "data", *names))

"""A run knows its data: the same however written, said when they changed; it is not judged by what it learnt."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import pocketvision as pv
from datafolders import as_flat_zip, plant, png
from pocketvision.data.sources import open_dataset
from pocketvision.errors import InputError
from pocketvision.fitting.request import default_out
from pocketvision.runfolder import RunFolder

HOW = {"width": 0.25, "resolution": 16, "epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and the finished run run/."""
    home = tmp_path_factory.mktemp("home")
    plant(home / "photos", *(f"{label}/{label}{i}.png" for label in "ab" for i in range(10)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        pv.train("photos", "mobilenet_v1", out="run", show=False, **HOW)
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, which a test may change, as the current folder."""
    shutil.copytree(trained, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def again(data: str | Path, capsys: pytest.CaptureFixture[str]) -> str:
    pv.train(data, "mobilenet_v1", out="run", **HOW)
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("data", "budget", "out"),
    [
        ("photos", "5ms", "photos-5ms"),
        ("photos/", "5 ms", "photos-5ms"),
        ("./photos", "5.0ms", "photos-5ms"),
        ("x/../photos/.", "0.005s", "photos-5ms"),
        ("photos.zip", "5ms", "photos-5ms"),
        ("photos/labels.csv", "5ms", "photos-5ms"),
        ("photos.2024", "5ms", "photos.2024-5ms"),
        (".", "5ms", "home-5ms"),
        ("photos/..", "5ms", "home-5ms"),
        ("digits", "5ms", "digits-5ms"),
    ],
)
def test_the_folder_of_a_run(home: Path, data: str, budget: str, out: str) -> None:
    (home / "photos.2024").mkdir()
    (home / "photos.zip").touch()
    (home / "photos" / "labels.csv").touch()
    assert default_out(data, budget) == Path("runs") / out


@pytest.mark.parametrize(
    "written", ["photos", "photos/", "./photos", "../home/photos", "{home}/photos", "link", "photos.zip"]
)
def test_the_same_data_are_the_same_run(home: Path, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    as_flat_zip(home / "photos").rename("photos.zip")
    Path("link").symlink_to(home / "photos")
    assert "holds this run, finished: nothing to do" in again(written.format(home=home), capsys)


def test_a_run_made_elsewhere_knows_its_data_by_the_images(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "photos").rename("moved")
    assert "holds this run, finished: nothing to do" in again("moved", capsys)
    plant(home / "other", *(f"{label}/{label}{i}.png" for label in "ab" for i in range(9)))
    with pytest.raises(InputError, match=r"\(data differ; and 2 images are gone \(first: a/a9.png\)"):
        pv.train("other", "mobilenet_v1", out="run", show=False, **HOW)


def test_a_copy_of_the_data_takes_nothing_over(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The place that the run was begun with stays the one whose changes are said."""
    settings = (home / "run" / "state" / "settings.json").read_text()
    shutil.copytree(home / "photos", home / "copy")
    assert "holds this run, finished: nothing to do" in again("copy", capsys)
    assert (home / "run" / "state" / "settings.json").read_text() == settings
    change(home)
    assert "photos has changed since the run in run was begun: 83 images came" in again("photos", capsys)
    assert "holds this run, finished: nothing to do" in again("copy", capsys)


def change(home: Path) -> None:
    for i in range(83):
        (home / "photos" / "a" / f"new{i}.png").write_bytes(png(100 + i))
    (home / "photos" / "b" / "b3.png").unlink()


def test_a_finished_run_says_that_its_data_changed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(home)
    before = (home / "run" / "model.safetensors").read_bytes()
    for _ in range(2):  # not only the first time
        said = again("photos", capsys)
        assert (
            "photos has changed since the run in run was begun: 83 images came (first: a/new0.png), 1 image is gone "
            in said
        )
        assert "(first: b/b3.png); its network knows nothing of that: --fresh starts again" in said
    assert (home / "run" / "model.safetensors").read_bytes() == before


def unfinished(home: Path) -> dict[str, float]:
    (home / "run" / "result.json").unlink()
    return {path.name: path.stat().st_mtime for path in (home / "run" / "state").iterdir()}


def test_an_unfinished_run_goes_on_without_new_images(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(home)
    (home / "photos" / "a" / "new.png").write_bytes(png(100))
    said = again("photos", capsys)
    assert "1 image came (first: a/new.png); it goes on with the images that it was begun with: --fresh" in said
    saved = json.loads((home / "run" / "splits.json").read_text())["splits"]
    assert "a/new.png" not in {**saved["train"], **saved["val"]} and (home / "run" / "result.json").is_file()


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        (None, r"1 image is gone \(first: b/b3\.png\): put them back as they were, or --fresh starts again"),
        ("a/b3.png", r"1 image came \(first: a/b3\.png\), 1 image is gone \(first: b/b3\.png\): put them back"),
    ],
)
def test_an_unfinished_run_is_not_lost_when_images_are_gone(home: Path, moved: str | None, message: str) -> None:
    state = unfinished(home)
    if moved:
        (home / "photos" / "b" / "b3.png").rename(home / "photos" / moved)
    else:
        (home / "photos" / "b" / "b3.png").unlink()
    with pytest.raises(InputError, match=message):
        pv.train("photos", "mobilenet_v1", out="run", show=False, **HOW)
    assert {path.name for path in (home / "run" / "state").iterdir()} >= state.keys() >= {"training.safetensors"}


def test_labels_and_files_that_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """Without a training: what a run folder finds out by itself."""
    monkeypatch.chdir(plant(tmp_path, *(f"{i}.png" for i in range(4))))
    table = Path("labels.csv")

    def opened(text: str, done: bool) -> RunFolder:
        table.write_text(f"path,label\n{text}")
        folder = RunFolder(Path("run"), {"data": "labels.csv"}, "result.json", dataset=open_dataset("labels.csv"))
        if done:
            folder.write("result.json", {})
        folder.note_data(None)
        return folder

    opened("0.png,a\n1.png,b\n2.png,a\n", False)
    Path("1.png").write_bytes(png(7) + b"more")
    opened("0.png,b\n1.png,b\n2.png,a\n", True)
    said = " ".join(capsys.readouterr().err.split())
    assert "1 image is labelled anew (first: 0.png), 1 image is another file (first: 1.png); its network" in said


def test_before_anything_was_trained_changed_data_are_looked_at_anew(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished(home)
    for name in ("state/training.safetensors", "model.safetensors"):
        (home / "run" / name).unlink()
    change(home)
    said = again("photos", capsys)
    assert "nothing was trained yet, so the data are looked at anew" in said
    saved = json.loads((home / "run" / "splits.json").read_text())["splits"]
    assert len({**saved["train"], **saved["val"]}) == 20 + 83 - 1


# --- eval on the data that a network was made from


def test_eval_leaves_out_what_the_network_was_trained_on(home: Path, call_cli) -> None:
    status, stdout, stderr = call_cli("eval", "run/model.safetensors", "photos/", "--json")
    assert status == 0, stderr
    result = json.loads(stdout)
    assert result["split"] == "held out" and result["images"] == 4
    assert result["top1"] == json.loads((home / "run" / "result.json").read_text())["top1"]
    assert "left out, because the network was trained on them: 16 of 20 images of photos/ (--split train" in stderr


def test_eval_says_what_it_counts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pv.evaluate("run", "photos", split="train")["images"] == 20
    assert "the network was trained on 16 of 20 images of photos: on other images it will" in capsys.readouterr().err
    assert pv.evaluate("run", "photos", split="val")["images"] == 4  # the run's own: the folder has none
    change(home)
    capsys.readouterr()
    assert pv.evaluate("run", "photos")["images"] in (86, 87)  # held-out and new ones
    said = " ".join(capsys.readouterr().err.split())
    assert "photos has changed since the network was trained on it: 83 images came (first: a/new0.png), 1 image" in said
    shutil.copytree("photos", "other")
    for path in Path("other").rglob("*.png"):
        os.truncate(path, path.stat().st_size - 1)  # other files under the same names
    capsys.readouterr()
    pv.evaluate("run", "other")
    assert "trained on" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["model.safetensors", "model.onnx"])
def test_a_file_taken_out_of_its_run_still_knows(home: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    net = pv.load("run")
    (home / "elsewhere").mkdir()
    place = home / "elsewhere" / kind
    pv.save(net, place) if kind.endswith("safetensors") else pv.export(net, path=place)
    capsys.readouterr()
    assert pv.evaluate(place, "photos")["images"] == 20
    said = " ".join(capsys.readouterr().err.split())
    assert "about 100 % of the images that the network was trained on are among those of photos" in said
    plant(home / "fresh", *(f"{label}/x{i}.png" for label in "ab" for i in range(4)))
    pv.evaluate(place, "fresh")
    assert "trained on" not in capsys.readouterr().err


def test_eval_of_a_fold_leaves_out_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pv.train("photos", "mobilenet_v1", folds=2, out="folds", show=False, **HOW)
    capsys.readouterr()
    assert pv.evaluate("folds/fold-1", "photos")["images"] == 10
    assert pv.evaluate("folds", "photos")["images"] == 20
    assert "the network was trained on 20 of 20 images of photos" in " ".join(capsys.readouterr().err.split())

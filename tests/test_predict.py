"""`predict` on what people give: folders, archives, and pictures of which some are damaged."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pocketvision as pv
from datafolders import plant
from pocketvision.data.gather import gather
from pocketvision.errors import InputError

GOOD = ["a.png", "deep/er/b.PNG", "deep/c.jpg"]
BAD = ["deep/damaged.png", "empty.jpg", "text.png", "z1.png", "z2.png", "z3.png"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, and a folder `mixed` with GOOD and BAD images and what is no image at all."""
    root = tmp_path_factory.mktemp("predict")
    torch.manual_seed(0)
    pv.save(pv.create_model("mobilenet_v1", width=0.25, resolution=16, classes=["a", "b"]), root / "m.safetensors")
    for name in GOOD:
        path = root / "mixed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(path)
    for name in BAD:
        (root / "mixed" / name).write_bytes(b"" if name == "empty.jpg" else b"nothing of an image")
    for name in ("notes.txt", ".hidden.png", "deep/Thumbs.db"):
        (root / "mixed" / name).write_bytes(b"no image")
    (root / "good").mkdir()
    for name in ("1.png", "2.png"):
        (root / "good" / name).write_bytes((root / "mixed" / "a.png").read_bytes())
    with zipfile.ZipFile(root / "good.zip", "w") as archive:
        archive.write(root / "good" / "1.png", "inside/1.png")
    return root


def test_a_folder_is_all_images_in_it(place: Path, call_cli: Callable) -> None:
    status, out, err = call_cli("predict", "m.safetensors", "good", "good.zip", "mixed/a.png", "--json", cwd=place)
    assert (status, err) == (0, "")
    named = [answer["image"] for answer in json.loads(out)]
    assert named == ["good/1.png", "good/2.png", "good.zip/inside/1.png", "mixed/a.png"]


def test_each_unreadable_image_is_named_and_the_status_tells(place: Path, call_cli: Callable) -> None:
    status, out, err = call_cli("predict", "m.safetensors", "mixed", cwd=place)
    assert status == 1
    assert all(f"left out, because it cannot be read: mixed/{name}" in err for name in BAD)
    assert len(err.splitlines()) == len(BAD)
    assert all(f"mixed/{name}" in out for name in GOOD) and not any(name in out for name in BAD)


def test_json_holds_an_entry_for_each_image(place: Path, call_cli: Callable) -> None:
    status, out, _ = call_cli("predict", "m.safetensors", "mixed", "mixed/text.png", "--json", cwd=place)
    entries = json.loads(out)
    assert status == 1
    assert [entry["image"] for entry in entries] == [f"mixed/{name}" for name in sorted(GOOD + BAD)] + [
        "mixed/text.png"
    ]
    for entry in entries:
        name = entry["image"].removeprefix("mixed/")
        assert ("error" in entry, "top" in entry) == ((True, False) if name in BAD else (False, True))
        assert name in GOOD or entry["image"] in entry["error"]


def test_when_none_can_be_read_it_is_an_error(place: Path, call_cli: Callable) -> None:
    status, out, err = call_cli("predict", "m.safetensors", "mixed/text.png", "mixed/empty.jpg", cwd=place)
    assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith("error: cannot read mixed/text.png")
    assert "mixed/empty.jpg" in err
    status, out, _ = call_cli("predict", "m.safetensors", "mixed/text.png", "nowhere.png", "--json", cwd=place)
    assert status == 2 and [entry["image"] for entry in json.loads(out)] == ["mixed/text.png", "nowhere.png"]
    assert all(entry["error"] for entry in json.loads(out))


def test_a_folder_without_images_is_an_error(place: Path, call_cli: Callable, tmp_path: Path) -> None:
    status, _, err = call_cli("predict", "m.safetensors", tmp_path, cwd=place)
    assert status == 2 and "there is no image in" in err


def test_what_is_not_there_is_said_in_order(place: Path, call_cli: Callable) -> None:
    status, _, err = call_cli("predict", "m.safetensors", "mixed/nosuch.jpg", cwd=place)
    assert (status, err) == (2, "error: cannot read mixed/nosuch.jpg: not found, was it moved or deleted?\n")
    status, _, err = call_cli("predict", "m.safetensors", "mixed/nosuch.jpg", "mixed/a.png", cwd=place)
    assert status == 1 and "left out, because it cannot be read: mixed/nosuch.jpg: not found, was it moved" in err


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError])
def test_a_folder_that_goes_or_is_locked_while_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    plant(tmp_path / "data", "a/1.png", "gone/2.png")
    listed = os.scandir

    def scandir(folder: Path) -> Any:
        if Path(folder).name == "gone":
            raise error(2, "it is so", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    if error is FileNotFoundError:
        assert [Path(image.name).name for image in gather([tmp_path / "data"])] == ["1.png"]
        return
    with pytest.raises(InputError, match="cannot read folder .*/data/gone: it is so; check its permissions"):
        gather([tmp_path / "data"])

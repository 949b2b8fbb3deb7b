"""Bad input through the real command line: one sentence, exit status 2, nothing half-written."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pocketvision as pv


def pictures(folder: Path, *classes: str, each: int = 3) -> Path:
    for i, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for j in range(each):
            Image.fromarray(np.full((9, 9, 3), 40 * i + j, np.uint8)).save(folder / name / f"{j}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good data, and with everything that can be wrong."""
    root = tmp_path_factory.mktemp("bad")
    good = pictures(root / "good", "a", "b")
    (root / "empty").mkdir()
    pictures(root / "one", "a")
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no pictures here")
    (root / "nolabel.csv").write_text("file,kind\nx.png,a\n")
    (root / "missing.csv").write_text("path,label\nnot-there.png,a\ngood/b/0.png,b\n")
    (root / "damaged.tar").write_bytes(b"not a tar file at all")
    (root / "blocked").write_text("a file where a folder should be")
    broken = pictures(root / "broken", "a", "b")
    data = (broken / "a" / "0.png").read_bytes()
    (broken / "a" / "0.png").write_bytes(data[: len(data) // 2])
    with tarfile.open(root / "good.tar", "w") as tar:
        tar.add(good, "good")
    net = pv.create_model("mobilenet_v1", width=0.25, resolution=16, classes=["a", "b"]).eval()
    path = pv.save(net, root / "model.safetensors")
    whole = path.read_bytes()
    (root / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    altered = bytearray(whole)
    altered[-50] ^= 1
    (root / "altered.safetensors").write_bytes(bytes(altered))
    text = whole.replace(b'\\"format_version\\": 1,', b'\\"format_version\\": 7,')
    assert text != whole
    (root / "future.safetensors").write_bytes(text)
    torch.save(net.state_dict(), root / "pickled.safetensors")
    torch.save({"conv.weight": torch.zeros(3)}, root / "other.pth")
    pv.export(net, "onnx", root / "model.onnx")
    onnx = (root / "model.onnx").read_bytes()
    (root / "half.onnx").write_bytes(onnx[: len(onnx) // 2])
    return root


FIT = ["fit", "good", "--budget", "50ms"]
CASES: dict[str, tuple[list[str], str]] = {
    "missing path": (["fit", "nowhere", "--budget", "5ms"], "nowhere"),
    "near a built-in name": (["fit", "digit", "--budget", "5ms"], "digits"),
    "empty folder": (["fit", "empty", "--budget", "5ms"], "empty"),
    "no pictures": (["fit", "notes", "--budget", "5ms"], "notes"),
    "one class only": (["fit", "one", "--budget", "5ms"], "one class only"),
    "csv without columns": (["fit", "nolabel.csv", "--budget", "5ms"], "file, kind"),
    "csv naming missing files": (["fit", "missing.csv", "--budget", "5ms"], "not-there.png"),
    "damaged archive": (["fit", "damaged.tar", "--budget", "5ms"], "damaged.tar"),
    "truncated picture": (["fit", "broken", "--budget", "5s", "--strict"], "a/0.png"),
    "budget without unit": (["fit", "good", "--budget", "5"], "budget '5': give a number with a unit"),
    "budget zero": (["fit", "good", "--budget", "0ms"], "budget '0ms': it must be more than zero"),
    "budget negative": (["fit", "good", "--budget", "-3ms"], "budget '-3ms': it must be more than zero"),
    "budget in words": (["fit", "good", "--budget", "fast"], "budget 'fast'"),
    "budget missing": (["fit", "good"], "--budget"),
    "time without unit": ([*FIT, "--time", "8"], "time '8'"),
    "no threads": ([*FIT, "--threads", "0"], "0 threads"),
    "unknown runtime": ([*FIT, "--runtime", "tflite"], "tflite"),
    "weights missing": ([*FIT, "--pretrained", "none.pth"], "none.pth"),
    "weights of something else": ([*FIT, "--pretrained", "other.pth"], "conv.weight"),
    "out below a file": ([*FIT, "--out", "blocked/run"], "blocked"),
    "out is a file": ([*FIT, "--out", "blocked"], "blocked"),
    "unknown model": (["profile", "mobilenet_v7"], "did you mean 'mobilenet_v"),
    "unknown model to bench": (["bench", "mobilenetv2"], "did you mean 'mobilenet_v2'"),
    "no model matches": (["models", "alexnet*"], "alexnet*"),
    "width zero": (["train", "good", "--model", "mobilenet_v2", "--width", "0"], "width 0 of mobilenet_v2"),
    "resolution too small": (["train", "good", "--model", "mobilenet_v2", "--resolution", "4"], "at least 8 px"),
    "no epochs": (["train", "good", "--model", "mobilenet_v2", "--epochs", "0"], "epochs 0"),
    "model cut in half": (["predict", "half.safetensors", "good/a/0.png"], "half.safetensors is cut off"),
    "model altered": (["predict", "altered.safetensors", "good/a/0.png"], "altered.safetensors was altered"),
    "model of an unknown version": (["predict", "future.safetensors", "good/a/0.png"], "format version 7"),
    "model with pickled content": (["predict", "pickled.safetensors", "good/a/0.png"], "pickled content"),
    "model missing": (["predict", "none.onnx", "good/a/0.png"], "none.onnx"),
    "exported file cut in half": (["predict", "half.onnx", "good/a/0.png"], "half.onnx"),
    "a name without weights": (["predict", "mobilenet_v2", "good/a/0.png"], "--pretrained"),
    "picture missing": (["predict", "model.onnx", "good/a/99.png"], "good/a/99.png"),
    "picture is text": (["predict", "model.onnx", "notes/readme.txt"], "notes/readme.txt"),
    "folder without pictures": (["predict", "model.onnx", "notes"], "there is no image in notes"),
    "labels that the model does not have": (["eval", "model.onnx", "digits"], "class"),
    "no such split": (["eval", "model.onnx", "good", "--split", "test"], "no test split"),
    "unknown format": (["export", "model.safetensors", "--to", "floppy"], "floppy"),
    "export into nowhere": (["export", "model.safetensors", "--out", "no/where/x.onnx"], "no/where/x.onnx"),
    "export of an exported file": (["export", "model.onnx"], "model.onnx"),
    "bench without threads": (["bench", "model.onnx", "--threads", "0"], "--threads 0"),
    "unknown command": (["fitt"], "fitt"),
    "unknown option": (["models", "--frob"], "--frob"),
    "not a number": (["bench", "model.onnx", "--threads", "two"], "--threads"),
}


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


REAL = ("missing path", "weights of something else", "picture missing", "unknown command")  # also in their own process


@pytest.mark.parametrize(
    ("case", "process"), [*((case, "call_cli") for case in CASES), *((c, "run_cli") for c in REAL)]
)
def test_one_sentence_and_status_2(
    case: str, process: str, place: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    arguments, said = CASES[case]
    before = listing(place)
    if arguments[0] in ("fit", "train") and "--out" not in arguments:
        arguments = [*arguments, "--out", str(tmp_path / "run")]
    status, stdout, stderr = request.getfixturevalue(process)(*arguments, cwd=place)
    lines = stderr.strip().splitlines()
    assert status == 2, stderr
    assert stdout == ""
    assert lines[-1].startswith("error: ") and said in lines[-1]
    assert sum(line.startswith("error") for line in lines) == 1 and "Traceback" not in stderr
    assert listing(place) == before
    assert listing(tmp_path) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_without_permission(place: Path, run_cli: Callable, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    status, _, stderr = run_cli(*FIT, "--out", tmp_path / "run", cwd=place)
    tmp_path.chmod(0o700)
    assert status == 2 and stderr.startswith("error: ") and not any(tmp_path.iterdir())


def test_json_is_the_only_thing_on_standard_output(call_cli: Callable) -> None:
    status, stdout, _ = call_cli("models", "mobilenet_v1*", "--json")
    rows = json.loads(stdout)
    assert status == 0 and len(rows) == 18
    keys = {"name", "family", "width", "resolution", "params", "macs", "published_top1", "source"}
    assert all(set(row) == keys for row in rows)


def test_debug_shows_where(place: Path, run_cli: Callable) -> None:
    status, _, stderr = run_cli("predict", "none.onnx", "x.png", "--debug", cwd=place)
    assert status != 0 and "Traceback" in stderr and "none.onnx" in stderr

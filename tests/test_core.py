"""What `pip install pocketvision` without extras must do on a device: import, predict, evaluate and time.

The commands run where only the dependencies of the core can be found: torch is not hidden there, it is absent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from conftest import ROOT, Ran, command_environment
from pocketvision.measure.latency import LEAST_ROUNDS

# The modules that a device needs.
CORE = [
    "pocketvision",
    "pocketvision.cli",
    "pocketvision.commands",
    "pocketvision.data.image",
    "pocketvision.data.sources",
    "pocketvision.errors",
    "pocketvision.evaluation",
    "pocketvision.files",
    "pocketvision.loading",
    "pocketvision.measure.bench",
    "pocketvision.measure.latency",
    "pocketvision.measure.machine",
    "pocketvision.progress",
    "pocketvision.results",
    "pocketvision.runtimes",
    "pocketvision.runtimes.onnxruntime",
    "pocketvision.runtimes.predictor",
    "pocketvision.runtimes.verify",
    "pocketvision.spec",
]


def core_distributions() -> dict[str, Distribution]:
    """The dependencies that pyproject.toml names outside its extras, with all that they need in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, Distribution] = {}
    wanted = [Requirement(line) for line in project["dependencies"]]
    while wanted:
        requirement = wanted.pop()
        if requirement.name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[requirement.name] = distribution(requirement.name)
        wanted += [Requirement(line) for line in found[requirement.name].requires or []]
    return found


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages that holds the core's dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("device")
    for one in core_distributions().values():
        for name in {file.parts[0] for file in one.files or []} - {"..", "__pycache__"}:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(Path(str(one.locate_file(name))))
    return folder


@pytest.fixture(scope="module")
def run(device: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """Python on that device: `run("-m", "pocketvision", "--help")`."""
    environment = {**command_environment(), "PYTHONPATH": os.pathsep.join([str(device), str(ROOT / "src")])}
    folder = tmp_path_factory.mktemp("work")

    def run(*args: object) -> Ran:
        command = [sys.executable, "-S", *map(str, args)]  # -S: without the packages of this Python
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, untrained, exported where torch is at hand."""
    import pocketvision as pv
    from pocketvision.runtimes.onnxruntime import convert

    net = pv.create_model("mobilenet_v1", width=0.25, resolution=32, classes=["grey", "noise"])
    return convert(net, tmp_path_factory.mktemp("exported") / "model.onnx")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two class folders with three images each."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name, spread in [("grey", 1), ("noise", 256)]:
        (folder / name).mkdir()
        for i in range(3):
            Image.fromarray(random.integers(0, spread, (40, 50, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_the_device_has_no_torch(run: Callable[..., Ran]) -> None:
    heavy = ["torch", "torchvision", "accelerate", "sklearn", "scipy", "matplotlib", "jinja2", "onnx", "psutil", "yaml"]
    code = f"from importlib.util import find_spec; print([name for name in {heavy} if find_spec(name)])"
    assert run("-c", code) == (0, "[]\n", "")


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports(run: Callable[..., Ran], module: str) -> None:
    done = run("-c", f"import {module}")
    assert done.returncode == 0, done.stderr


def test_predict(run: Callable[..., Ran], onnx_file: Path, photographs: Path) -> None:
    image = photographs / "grey" / "0.png"
    done = run("-m", "pocketvision", "predict", onnx_file, image, "--json")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["image"] == str(image)
    assert {entry["name"] for entry in answer["top"]} == {"grey", "noise"}


def test_eval(run: Callable[..., Ran], onnx_file: Path, photographs: Path) -> None:
    done = run("-m", "pocketvision", "eval", onnx_file, photographs, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 6


def test_bench(run: Callable[..., Ran], onnx_file: Path) -> None:
    done = run("-m", "pocketvision", "bench", onnx_file, "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (Path(row["model"]).name, row["runtime"], row["error"]) == ("model.onnx", "onnxruntime", None)
    assert row["version"] == distribution("onnxruntime").version and row["rounds"] >= LEAST_ROUNDS


def test_python(run: Callable[..., Ran], onnx_file: Path, photographs: Path) -> None:
    done = run(
        "-c",
        f"import pocketvision as pv; print(pv.load({str(onnx_file)!r}).predict({str(photographs)!r} + '/grey/0.png'))",
    )
    assert done.returncode == 0, done.stderr
    assert "grey" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["models"],
        ["profile", "mobilenet_v2"],
        ["bench", "mobilenet_v2"],
        ["train", "digits", "--model", "mobilenet_v2"],
        ["fit", "digits", "--budget", "5ms"],
        ["export", "mobilenet_v2"],
    ],
    ids=lambda command: command[0],
)
def test_what_needs_torch_says_what_to_install(run: Callable[..., Ran], command: list[str]) -> None:
    code, out, err = run("-m", "pocketvision", *command)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert "pip install 'pocketvision[train]'" in err

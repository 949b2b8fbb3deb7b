"""The last lines of a run are run as they stand: on the command line, and in Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Ran, command_environment

TRAIN = ["--model", "mobilenet_v1", "--width", 0.25, "--resolution", 16, "--epochs", 1, "--out", "it's a run"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose first held-out one is damaged, in a folder with a blank in its name; and `pocketvision` to run."""
    root = tmp_path_factory.mktemp("use it")
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3)):
        for name in ("a", "b"):
            folder = root / "my data" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    (root / "my data" / "val" / "a" / "0.png").write_bytes(b"damaged")
    for name, module in (("pocketvision", " -m pocketvision"), ("python", "")):
        script = root / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{module} "$@"\n')
        script.chmod(0o755)
    return root


def use(said: Ran, place: Path) -> list[str]:
    """Run the two lines; what each printed."""
    assert said.returncode == 0, said.stderr
    *_, title, command, python = said.stdout.splitlines()
    assert title == "Use it:" and command.startswith("  pocketvision predict ") and python.startswith("  python -c ")
    environment = command_environment()
    environment["PATH"] = os.pathsep.join([str(place), environment["PATH"]])
    answers = []
    for line in (command, python):
        done = subprocess.run(line, shell=True, cwd=place, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout)
    return answers


def test_after_train_a_finished_run_and_export(place: Path, call_cli: Callable) -> None:
    first = call_cli("train", "my data", *TRAIN, cwd=place)
    command, python = use(first, place)
    assert "val/a/1.png" in command and "<Result my data/val/a/1.png" in python  # the first is damaged
    again = call_cli("train", "my data", *TRAIN, cwd=place)
    assert again.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]
    (place / "photo.jpg").write_bytes((place / "my data" / "val" / "a" / "1.png").read_bytes())
    command, python = use(call_cli("export", "it's a run/model.safetensors", "--out", "run.onnx", cwd=place), place)
    assert "photo.jpg" in command and "<Result photo.jpg" in python


def test_json_stays_alone(place: Path, call_cli: Callable) -> None:
    assert "Use it" not in call_cli("export", "mobilenet_v1_0.25_128", "--out", "x.onnx", "--json", cwd=place).stdout


def test_two_classes_have_no_top_five(place: Path, call_cli: Callable) -> None:
    out = call_cli("train", "my data", *TRAIN, cwd=place).stdout
    out += call_cli("eval", "it's a run/model.safetensors", "my data", cwd=place).stdout
    assert out.count("top-1") == 2 and "top-5" not in out
    assert "top5" not in call_cli("eval", "it's a run/model.safetensors", "my data", "--json", cwd=place).stdout

"""The last lines of a run are run as they stand: on the command line, and in Python."""

from __future__ import annotations

import ast
import html
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Ran, command_environment
from pocketvision.commands.useit import show_use
from pocketvision.report.page import render
from pocketvision.report.useit import use_it
from test_report import small_report

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


def test_the_page_says_the_same_as_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, image = tmp_path / "it's a <run>" / "model.onnx", 'my "data"/a&b.png'
    lines = use_it(file, image)
    show_use(file, image)
    assert capsys.readouterr().out.splitlines() == ["", "Use it:", *(f"  {line}" for line in lines)]
    content = render(small_report() | {"use": lines})
    section = re.search(r'<section id="use">.*?</section>', content, re.DOTALL)
    assert section and '<a href="#use">use it</a>' in content
    shown = [html.unescape(pre) for pre in re.findall(r"<pre>(.*?)</pre>", section[0], re.DOTALL)]
    assert shown == lines and '<section id="use">' not in render(small_report())
    command, python = map(shlex.split, shown)
    assert command == ["pocketvision", "predict", str(file), image] and python[:2] == ["python", "-c"]
    named = [node.value for node in ast.walk(ast.parse(python[2])) if isinstance(node, ast.Constant)]
    assert {str(file), image} <= set(named)


def test_json_stays_alone(place: Path, call_cli: Callable) -> None:
    assert "Use it" not in call_cli("export", "mobilenet_v1_0.25_128", "--out", "x.onnx", "--json", cwd=place).stdout


def test_two_classes_have_no_top_five(place: Path, call_cli: Callable) -> None:
    out = call_cli("train", "my data", *TRAIN, cwd=place).stdout
    out += call_cli("eval", "it's a run/model.safetensors", "my data", cwd=place).stdout
    assert out.count("top-1") == 2 and "top-5" not in out
    assert "top5" not in call_cli("eval", "it's a run/model.safetensors", "my data", "--json", cwd=place).stdout

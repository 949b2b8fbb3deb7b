"""Ctrl-C in real processes, sent to the whole group as a terminal does: one sentence, status 130, from the imports on.

Each waits for a sign that the command is where it is to be stopped, never for a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import command_environment

KEPT = "error: stopped; what was finished is kept, and the same command goes on from there"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupt")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / name / f"{number}.png")
    return folder


@contextmanager
def started(*arguments: object, python: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, *python, "-m", "pocketvision", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=command_environment(), start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def stop(process: subprocess.Popen[str]) -> list[str]:
    """Ctrl-C; the lines that were said afterwards."""
    os.killpg(process.pid, signal.SIGINT)
    out, complaints = process.communicate()
    assert process.returncode == 130, complaints
    assert out == "" and "Traceback" not in complaints
    return complaints.splitlines()


def wait_for_line(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if wanted(line):
            return
    raise AssertionError("it ended before: " + "".join(said[-5:]))


@pytest.mark.parametrize(
    ("arguments", "library", "said"),
    [
        (["fit", "digits", "--budget", "5ms"], "torch.", KEPT),
        (["train", "digits", "--model", "mobilenet_v1"], "torch._C", KEPT),
        (["eval", "none.safetensors", "digits"], "typer.", "error: stopped"),
        (["bench", "mobilenet_v1"], "numpy.", "error: stopped"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_while_importing(arguments: list[str], library: str, said: str, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "run"] if arguments[0] in ("fit", "train") else []
    with started(*arguments, *out, python=("-X", "importtime")) as process:
        wait_for_line(process, lambda line: library in line)
        lines = [line for line in stop(process) if not line.startswith("import time:")]
    assert lines[-1] == said


def test_while_training(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--model", "mobilenet_v1", "--width", 0.25, "--resolution", 16, "--epochs", 100000]
    with started("train", data, *options, "--out", out) as process:
        while not (out / "metrics.csv").exists():
            assert process.poll() is None
            time.sleep(0.05)
        assert stop(process)[-1] == KEPT


def test_while_workers_run(tmp_path: Path) -> None:
    with started("bench", "mobilenet_v1_0.25*", "--zoo", "--out", tmp_path) as process:
        wait_for_line(process, lambda line: line.startswith("zoo: "))
        assert stop(process)[-1] == KEPT


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="only Linux tells of child processes in /proc")
def test_while_child_processes_measure() -> None:
    with started("machine") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not any("bandwidth" in command_of(number) for number in children.read_text().split()):
            assert process.poll() is None
            time.sleep(0.05)
        assert stop(process) == ["error: stopped"]


def command_of(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:  # it has just ended
        return ""

"""Several processes under torchrun train one network."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import command_environment


def test_two_processes_share_each_batch(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["train", "digits", "--model", "mobilenet_v1", "--width", "0.25", "--resolution", "16"]
    arguments += ["--epochs", "4", "--device", "cpu", "--out", str(out), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pocketvision"]
        + arguments,
        env={**command_environment(), "POCKETVISION_CACHE": os.environ["POCKETVISION_CACHE"]},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "result.json").read_text())
    assert json.loads(done.stdout) == result  # printed once, by the first process
    assert result["epochs"] == 4 and result["top1"] > 0.4  # a tenth would be chance
    with (out / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(epoch) for epoch in range(1, 5)]


# What both processes do, one after the other in one start; each writes what it saw.
TOGETHER = """
import json, os, shutil, sys
from collections.abc import Callable
from pathlib import Path
import pytest, torch
from accelerate import Accelerator
from trainable import every_kind, in_memory
from pocketvision.errors import InputError
from pocketvision.training import loop, run
from pocketvision.training.step import Step
from test_resume import recipe, same

rank, out, seen = int(os.environ["RANK"]), Path(sys.argv[1]), {}
with pytest.MonkeyPatch.context() as patch:
    data = in_memory(patch)
    patch.setattr(Accelerator, "end_training", lambda _: None)  # several trainings in one process
    def train(name, how, seconds=None):
        net = every_kind(3)
        history = loop.train_network(net, data, how, seconds, out / name, show=False, device="cpu")
        return net, [row["epoch"] for row in history.epochs]

    # Rows that never learn; an odd number of images; each step saved, and taken up from within the second epoch.
    how = recipe(freeze=2)
    patch.setattr(run, "SAVE_SECONDS", 0.0)
    save, saves = run.save_state, []
    def keep(path, *arguments):
        save(path, *arguments)
        saves.append(path)
        if len(saves) == 5:
            shutil.copytree(path.parent, out / "cut" / "state")
    patch.setattr(run, "save_state", keep)
    whole, _ = train("whole", how)
    patch.setattr(run, "save_state", save)
    again, _ = train("cut", how)
    if rank == 0:  # the other one's BatchNorm statistics are its own
        seen["differ"] = same(whole, again)

    # The time is measured by each process, and one's clock may say something else.
    seen["epochs in 3 s"] = train("time", recipe(epochs=100000), 3.0)[1]

    # What each validates differs by its statistics: one would lose patience, the other not.
    validate, calls = Step.validate, []
    def differing(*arguments):
        calls.append(1)
        return len(calls) * (1.0 if rank == 1 else -1.0), 0.5
    patch.setattr(Step, "validate", differing)
    seen["patient"] = train("patient", recipe(epochs=4, patience=1))[1]
    patch.setattr(Step, "validate", validate)

    # A loss that is no number in one of them.
    step = Step.normalise
    def broken(self, images, color=0.0):
        return step(self, images, color) * (float("nan") if rank == 1 and color else 1)
    patch.setattr(Step, "normalise", broken)
    try:
        train("diverged", recipe())
    except InputError as error:
        seen["diverged"] = str(error)
    try:
        train("odd", recipe(batch=3))
    except InputError as error:
        seen["odd"] = str(error)
(out / f"seen-{rank}.json").write_text(json.dumps(seen))
"""


def test_processes_agree_on_where_a_run_ends_and_a_stopped_one_goes_on_as_an_unbroken_one(tmp_path: Path) -> None:
    environment = command_environment()
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    assert first.pop("differ") == []
    assert first == second
    assert len(first["epochs in 3 s"]) > 1
    assert first["patient"] == [1, 2, 3, 4]
    assert "diverged in epoch 1" in first["diverged"]
    assert "2 processes cannot share batches of 3 images" in first["odd"]


@pytest.mark.parametrize("more", [["fit", "--budget", "5ms"], ["train", "--model", "mobilenet_v1", "--folds", "3"]])
def test_what_works_in_one_process_only_says_so(
    more: list[str], call_cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = call_cli(more[0], "digits", *more[1:])
    assert done.returncode == 2 and "works in one process" in done.stderr

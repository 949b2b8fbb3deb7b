"""Several processes under torchrun train one network."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

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

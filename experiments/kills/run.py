"""kill -9 at five random moments of a `fit`: what is repeated, what is broken, what accuracy comes out.

    python experiments/kills/run.py DATA WEIGHTS [--budget 0.5ms] [--time 4m] [--kills 5] [--seed 0]

Runs the command once undisturbed, then again in a new folder, killed with all its children at random moments of the
undisturbed run's duration and started again each time. After every kill each file is opened, and what was finished by
then (timings, short trainings, epochs, judged sizes) is compared with the end of the run: a step that was done again
would have other seconds. Runs in runs/kills/, about 20 minutes on two cores; writes results.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import onnxruntime
import safetensors

from pocketvision.measure.machine import machine
from pocketvision.training.state import read_notes

HERE = Path(__file__).parent
LATEST = 0.8  # of the undisturbed run: the other may be quicker, and must not have ended before it is killed


def main() -> None:
    """Both runs; print and save what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("--budget", default="0.5ms")
    parser.add_argument("--time", default="4m")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "pocketvision", "fit", arguments.data, "--budget", arguments.budget]
    command += ["--time", arguments.time, "--pretrained", arguments.weights, "--out"]
    undisturbed, killed = Path("runs/kills/undisturbed"), Path("runs/kills/killed")
    for folder in (undisturbed, killed):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    seconds = run([*command, str(undisturbed)], None)
    assert seconds is not None
    draw = random.Random(arguments.seed).uniform
    moments = sorted(draw(0, LATEST * seconds) for _ in range(arguments.kills))
    found, before, spent = [], 0.0, 0.0
    for moment in moments:
        began = time.monotonic()
        if run([*command, str(killed)], moment - before) is not None:
            raise SystemExit(f"the run had ended before it was to be killed after {moment:.0f} s: give another --seed")
        spent += time.monotonic() - began
        before = moment
        found.append({"after_seconds": round(moment, 1), "done": finished_steps(killed), "broken": broken(killed)})
        print(
            f"killed after {moment:.0f} s: {len(found[-1]['done'])} steps done, broken: {found[-1]['broken']}",
            flush=True,
        )
    began = time.monotonic()
    run([*command, str(killed)], None)
    spent += time.monotonic() - began
    done, kills = finished_steps(killed), []
    for kill in found:
        again = [name for name, step in kill["done"].items() if done.get(name) != step]
        kills.append({**kill, "done": len(kill["done"]), "repeated": again})
    top1 = {folder.name: verdict(folder) for folder in (undisturbed, killed)}
    results = {
        "command": " ".join(command[1:-1]),
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip(),
        "seed": arguments.seed,
        "seconds": {"undisturbed": round(seconds), "killed": round(spent)},
        "kills": kills,
        "steps_at_the_end": len(done),
        "broken_at_the_end": broken(killed),
        "runs": top1,
        "machine": {key: machine().get(key) for key in ("cpu", "cores", "load", "time")},
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({key: results[key] for key in ("seconds", "kills", "broken_at_the_end", "runs")}, indent=1))


def run(command: list[str], limit: float | None) -> float | None:
    """Seconds that the command took; None when it was killed after `limit` seconds."""
    began = time.monotonic()
    process = subprocess.Popen(command, start_new_session=True)
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None
    if status:
        raise SystemExit(f"the command failed with status {status}")
    return time.monotonic() - began


def finished_steps(out: Path) -> dict[str, Any]:
    """Every finished step by name, with all that is known of it, its duration included."""
    steps: dict[str, Any] = {}
    for name in ("timed", "judged"):
        steps |= {f"{name}: {key}": value for key, value in (read(out / f"state/{name}.json") or {}).items()}
    for row in read(out / "state/contest.json") or []:
        steps[f"rung {row['rung']}: {row['contender']}"] = row
    for name in ("choice", "doctor", "shipping"):
        if (content := read(out / f"state/{name}.json")) is not None:
            steps[name] = content
    for path in out.glob("state/rung-*/state/training.safetensors"):
        steps |= {f"{path.parts[-3]}, epoch {row['epoch']}": row for row in read_notes(path)["epochs"]}
    if (state := out / "state/training.safetensors").exists():
        steps |= {f"epoch {row['epoch']}": row for row in read_notes(state)["epochs"]}
    return steps


def read(path: Path) -> Any:
    """JSON; None when it is not there."""
    return json.loads(path.read_text()) if path.exists() else None


def broken(out: Path) -> list[str]:
    """Files of the run that cannot be opened, each by its own library."""
    found = []
    for path in (path for path in out.rglob("*") if path.is_file() and path.suffix != ".tmp"):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".safetensors":
                with safetensors.safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 (not a mapping)
                        file.get_tensor(name)
            elif path.suffix == ".onnx":
                onnxruntime.InferenceSession(path)
        except Exception as error:
            found.append(f"{path.relative_to(out)}: {error}")
    return found


def verdict(out: Path) -> dict[str, Any]:
    """What is compared of a finished run."""
    report = json.loads((out / "report.json").read_text())
    kept = ("model", "top1", "top1_interval", "latency_ms", "budget_met", "images")
    return {
        **{key: report["verdict"].get(key) for key in kept},
        "epochs": len(report["training"]["epochs"]),
        "training_seconds": round(report["training"]["seconds"]),
        "left_over": [path.name for path in out.rglob(".*.tmp")],
    }


if __name__ == "__main__":
    main()

"""What a budget buys: `fit` on one data set at several budgets and with several seeds, one row each.

    python experiments/fits/run.py DATA [--pretrained WEIGHTS] --budgets 1.5ms 0.5ms --time 40m [--seeds 0]

DATA is an archive, a folder or the name of built-in data. Each budget and seed is a stage of its own in runs/fits/, a
few minutes longer than `--time`, and resumed when the command is given again. Run it on a quiet machine: the clock
decides. Writes results.json beside this file, and keeps the rows that are there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from statistics import mean
from typing import Any

import pocketvision as pv

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
KEPT = ("model", "split", "images", "top1", "top1_interval", "latency_ms", "latency_interval_ms", "budget_ms")
KEPT += ("budget_met", "resolution", "trained_resolution", "params", "macs", "size_bytes", "reason")


def row(report: dict[str, Any]) -> dict[str, Any]:
    """What is committed of a run."""
    training = report["training"]
    return {
        **{key: report["verdict"].get(key) for key in KEPT},
        "resize": report["shipping"]["resize"],
        "pretrained": bool(report["verdict"]["pretrained"]),
        "seed": report["seed"],
        "epochs": len(training["epochs"]),
        "last_epoch": training["epochs"][-1],
        "training_seconds": round(training["seconds"]),
        "images_per_second": round(training["images_per_second"]),
        "recipe": training["recipe"],
        "contest": report["contest"],
        "shipping": report["shipping"],
        "export_check": {key: report["export_check"][key] for key in ("images", "top1_agreement", "max_abs_error")},
        "machine": {key: report["machine"].get(key) for key in ("cpu", "cores", "load", "time")},
    }


def saved() -> dict[str, Any]:
    """The rows that are there, by the names of their runs."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(name: str, found: dict[str, Any]) -> None:
    """Add to, or replace, the row of one run."""
    RESULTS.write_text(json.dumps({**saved(), name: found}, indent=1) + "\n")


def commit() -> str:
    """What these rows were made with."""
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()


def main() -> None:
    """Fit at each budget with each seed; print and save one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--pretrained", metavar="WEIGHTS")
    parser.add_argument("--budgets", nargs="+", required=True)
    parser.add_argument("--time", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    start = "pretrained" if arguments.pretrained else "scratch"
    for budget in arguments.budgets:
        group = f"{Path(arguments.data).stem}-{budget}-{arguments.time}-{start}"
        for seed in arguments.seeds:
            name = f"{group}-{seed}"
            report = pv.fit(
                arguments.data,
                budget,
                time=arguments.time,
                pretrained=arguments.pretrained,
                seed=seed,
                out=Path("runs/fits") / name,
            )
            save(name, {**row(report), "commit": commit()})
            verdict = report["verdict"]
            says = f"{verdict['split']} top-1 {verdict['top1']:.4f}, {verdict['latency_ms']:.2f} ms"
            print(f"{name}: {verdict['model']} {says}", flush=True)
        found = [run["top1"] for name, run in saved().items() if name.rpartition("-")[0] == group]
        print(f"{group}: mean top-1 of {len(found)} seeds {mean(found):.4f}", flush=True)


if __name__ == "__main__":
    main()

"""CIFAR-10 in 40 minutes on two cores, at two budgets: what `fit` reaches, with and without pretrained weights.

    python experiments/cifar10/run.py DATA WEIGHTS [--budgets 1.5ms 0.5ms] [--scratch]

DATA is the archive with train/<class>/ and test/<class>/; `val` is carved from train, and the 10,000 test images are
looked at once, by `fit` itself. Each budget is a stage of its own in runs/cifar10/, of about 50 minutes, and resumed
when the command is given again. Run it on a quiet machine: the clock decides. Writes results.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import pocketvision as pv

HERE = Path(__file__).parent
KEPT = ("model", "split", "top1", "top1_interval", "latency_ms", "latency_interval_ms", "budget_ms", "budget_met")
KEPT += ("resolution", "trained_resolution", "params", "macs", "size_bytes", "reason")


def row(report: dict[str, Any], weights: str | None) -> dict[str, Any]:
    """What is committed of a run."""
    training = report["training"]
    return {
        **{key: report["verdict"][key] for key in KEPT},
        "pretrained": weights is not None,
        "seed": report["seed"],
        "epochs": len(training["epochs"]),
        "training_seconds": round(training["seconds"]),
        "images_per_second": round(training["images_per_second"]),
        "recipe": training["recipe"],
        "contest": report["contest"],
        "shipping": report["shipping"],
        "export_check": {key: report["export_check"][key] for key in ("images", "top1_agreement", "max_abs_error")},
        "machine": {key: report["machine"].get(key) for key in ("cpu", "cores", "load", "time")},
    }


def main() -> None:
    """Fit at each budget; print and save one row each, beside those that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("--budgets", nargs="+", default=["1.5ms", "0.5ms"])
    parser.add_argument("--scratch", action="store_true", help="without the pretrained weights")
    parser.add_argument("--time", default="40m")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    weights = None if arguments.scratch else arguments.weights
    path = HERE / "results.json"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()
    for budget in arguments.budgets:
        name = f"{budget}-{arguments.time}-{'scratch' if arguments.scratch else 'pretrained'}-{arguments.seed}"
        out = Path("runs/cifar10") / name
        report = pv.fit(
            arguments.data, budget, time=arguments.time, threads=1, pretrained=weights, seed=arguments.seed, out=out
        )
        results = json.loads(path.read_text()) if path.exists() else {}
        results[name] = {**row(report, weights), "commit": commit}
        path.write_text(json.dumps(results, indent=1) + "\n")
        verdict = report["verdict"]
        print(
            f"{name}: {verdict['model']} {verdict['split']} top-1 {verdict['top1']:.4f}, {verdict['latency_ms']:.2f} ms"
        )


if __name__ == "__main__":
    main()

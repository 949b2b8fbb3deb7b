"""What a budget buys on a few hundred photographs: `fit` on ants and bees at several budgets, one table.

    python experiments/ants_bees/run.py DATA WEIGHTS [--budgets 4ms 7ms] [--seeds 0 1 2]

Each budget and seed is a stage of its own in runs/ants_bees/, at most 10 minutes on two cores, and resumed when the
command is given again. Run it on a quiet machine: the clock decides. Writes results.json beside this file, and keeps
the rows that are there for other budgets and seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from statistics import mean

import pocketvision as pv

HERE = Path(__file__).parent
KEPT = ("model", "top1", "top1_interval", "latency_ms", "latency_interval_ms", "budget_ms", "budget_met", "resolution")
KEPT += ("trained_resolution",)


def main() -> None:
    """Fit at each budget with each seed; print and save one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("--budgets", nargs="+", default=["4ms", "7ms"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    path = HERE / "results.json"
    for budget in arguments.budgets:
        for seed in arguments.seeds:
            commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
            out = Path("runs/ants_bees") / f"{budget}-{seed}"
            report = pv.fit(arguments.data, budget, time="8m", pretrained=arguments.weights, seed=seed, out=out)
            rows = {row["run"]: row for row in json.loads(path.read_text())} if path.exists() else {}
            rows[out.name] = row = {
                "run": out.name,
                **{key: report["verdict"][key] for key in KEPT},
                "resize": report["shipping"]["resize"],
                "seed": seed,
                "epochs": len(report["training"]["epochs"]),
                "training_seconds": round(report["training"]["seconds"]),
                "export_check": {key: report["export_check"][key] for key in ("top1_agreement", "max_abs_error")},
                "machine": {key: report["machine"].get(key) for key in ("cpu", "cores", "load", "time")},
                "commit": commit.strip(),
            }
            path.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
            print(
                f"{budget} seed {seed}: {row['model']} top-1 {row['top1']:.3f}, {row['latency_ms']:.2f} ms", flush=True
            )
        found = [row["top1"] for name, row in rows.items() if name.startswith(f"{budget}-")]
        print(f"{budget}: mean top-1 of {len(found)} seeds {mean(found):.3f}")


if __name__ == "__main__":
    main()

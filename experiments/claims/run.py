"""Reproduces or refutes, on this machine, what the papers and the lectures claim of these networks.

    python experiments/claims/run.py all
    python experiments/claims/run.py costs relu dead       # minutes, on any machine
    python experiments/claims/run.py speed memory          # 15 minutes; the machine must be quiet
    python experiments/claims/run.py twins [--seeds 3]     # 80 minutes on one core; goes on where it was killed

Each stage's numbers are merged into results.json, and README.md, the page of claims and verdicts, is written from it
(`run.py page` only writes the page). `--smoke` tries speed and memory without a quiet machine, prints what it found and
keeps nothing. The photographs, weights and CIFAR-10 are those of ../shared.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from page import render
from place import HERE, ROOT

RESULTS, README = HERE / "results.json", HERE / "README.md"
STAGES = ("costs", "relu", "dead", "speed", "memory", "twins")
TRAININGS = ("twins",)
SMOKE = ("speed", "memory")


def main() -> None:
    """Run the stages, save each as soon as it is done, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="+", choices=[*STAGES, "all", "page"], metavar="STAGE")
    parser.add_argument("--seeds", type=int, default=1, help="of the cheap networks of twins")
    parser.add_argument("--smoke", action="store_true", help="speed and memory: print, keep nothing")
    arguments = parser.parse_args()
    wanted = STAGES if "all" in arguments.stages else [stage for stage in STAGES if stage in arguments.stages]
    for stage in wanted:
        print(f"{stage} ...", file=sys.stderr, flush=True)
        if arguments.smoke and stage in SMOKE:
            print(json.dumps(importlib.import_module(stage).run(smoke=True), indent=1))
        else:
            keep(stage, measure(stage, arguments.seeds), arguments.seeds)
    README.write_text(render(saved(), STAGES))


def measure(stage: str, seeds: int) -> dict[str, Any]:
    """What a stage finds. Stages are modules, loaded only when they are run."""
    if stage not in TRAININGS:
        return importlib.import_module(stage).run()
    import twins

    return twins.run(seeds)


def saved() -> dict[str, Any]:
    """The stages that have been run, by name."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(stage: str, result: dict[str, Any], seeds: int) -> None:
    """Merge a stage's result into results.json, with where it comes from."""
    from pocketvision.measure.machine import machine

    here = machine()
    extra = f" --seeds {seeds}" if stage in TRAININGS and seeds > 1 else ""
    entry = {
        "command": f"python experiments/claims/run.py {stage}{extra}",
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout.strip(),
        "seed": 0,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {key: here.get(key) for key in ("cpu", "cores", "memory", "python", "versions", "load")},
        "result": result,
    }
    results = {**saved(), stage: entry}
    ordered = {name: results[name] for name in STAGES if name in results}
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Does a latency table predict networks that it has never seen? 30 networks teach it, 50 others judge it.

    python experiments/latency_table/run.py [--teachers 30] [--judges 50] [--rounds 15] [--out runs/latency_table]

ONNX Runtime, one thread, a V3-like space (space.py). Stages, each resumable after a kill: the table of the teachers'
rows with their whole-network timings; the judges' missing rows, timed on demand, and the predictions; every judge
measured as a whole, twice, after the predictions were written down. About 8 minutes on two cores with nothing else
running. Writes results.json, scatter.png and README.md beside this file (`--smoke`: into the run's folder).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from report import plot, readme
from scipy.stats import spearmanr
from space import networks

from pocketvision.journal import Journal
from pocketvision.measure.batches import Look, batched, digest, time_networks
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.lookup import LatencyTable, table
from pocketvision.measure.machine import machine
from pocketvision.measure.pieces import distinct, pieces
from pocketvision.progress import Steps, say
from pocketvision.spec import Spec

HERE = Path(__file__).parent
PASSES = 2  # over the judges: how far two measurements of the same network are apart


def main() -> None:
    """Run all stages, judge, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teachers", type=int, default=30)
    parser.add_argument("--judges", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path("runs/latency_table"))
    parser.add_argument("--smoke", action="store_true", help="write the results into --out, not beside this file")
    arguments = parser.parse_args()
    out, look = arguments.out, Look(arguments.rounds)
    out.mkdir(parents=True, exist_ok=True)
    steps = Journal(out / "steps.json")
    steps.once("arguments", lambda: [arguments.teachers, arguments.judges, arguments.rounds])
    if steps.known["arguments"] != [arguments.teachers, arguments.judges, arguments.rounds]:
        raise SystemExit(f"{out} is a run with other numbers: give another --out, or delete it")
    judges = networks(arguments.judges, 3, "judge")

    known = timed(steps, "table", lambda: teach(networks(arguments.teachers, 1, "teacher"), judges, out, look))
    asked = timed(steps, "predictions", lambda: predictions(out, judges, look))
    passes = timed(steps, "measurements", lambda: measurements(out, judges, look))
    results = {
        "command": " ".join(["python", "experiments/latency_table/run.py", *sys.argv[1:]]),
        "commit": subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip(),
        "seconds": {stage: steps.known[stage]["seconds"] for stage in ("table", "predictions", "measurements")},
        "table": {**known, "correction": asked["correction"]},
        **judged(judges, asked, passes),
        "machine": machine(),
    }
    where = out if arguments.smoke else HERE
    (where / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    plot(results, where / "scatter.png")
    (where / "README.md").write_text(readme(results))
    shutil.rmtree(out / "networks", ignore_errors=True)
    print(json.dumps({key: results[key] for key in ("seconds", "table", "verdict")}, indent=1))


def timed(steps: Journal, stage: str, work: Any) -> Any:
    """What a stage gave; its seconds are kept in the journal."""

    def step() -> dict[str, Any]:
        began = time.monotonic()
        return {"found": work(), "seconds": round(time.monotonic() - began)}

    return steps.once(stage, step)["found"]


def teach(teachers: list[Spec], judges: list[Spec], out: Path, look: Look) -> dict[str, Any]:
    """The table before it meets a judge."""
    made = table(teachers, path=out / "table.json", look=look)
    met = distinct([piece for spec in judges for piece in pieces(spec)])
    return {
        "networks": len(teachers),
        "rows": len(made.rows),
        "rows_of_judges": len(met),
        "rows_of_judges_known": sum(key in made.rows for key in met),
        "error": vars(made.error),
        "shaky": shaky(made),
        "version": made.version,
    }


def shaky(made: LatencyTable) -> float:
    """The share of the rows whose time the machine's noise left unclear."""
    return sum(known.time.is_shaky for known in made.rows.values()) / len(made.rows)


def predictions(out: Path, judges: list[Spec], look: Look) -> dict[str, Any]:
    """The judges' times as predicted, their missing rows timed in chains that mix them all."""
    made = table([], path=out / "table.json", look=look, show=False)
    made.extend(judges)
    teachers = [(count_spec(whole.spec).macs, whole.ms) for whole in made.networks.values()]
    found = []
    for spec in judges:
        prediction, plain = made.predict(spec), [made.rows[piece.key].time for piece in pieces(spec)]
        found.append({**vars(prediction), "sum": sum(time.ms for time in plain)})
    return {
        "found": found,
        "correction": vars(made.correction),
        "error": vars(made.error),
        "reference_ms": made.reference_ms,
        "per_mac": fitted_to_macs(teachers),
    }


def fitted_to_macs(teachers: list[tuple[int, float]]) -> list[float]:
    """[ms per multiply-add, ms]: the line through the teachers that makes relative errors smallest."""
    macs, ms = np.array(teachers).T
    features = np.stack([macs / ms, 1 / ms], axis=1)
    return [float(value) for value in np.linalg.lstsq(features, np.ones(len(ms)), rcond=None)[0]]


def measurements(out: Path, judges: list[Spec], look: Look) -> list[dict[str, Any]]:
    """Every judge as a whole, PASSES times over, each batch beside the table's reference networks."""
    made, journal = table([], path=out / "table.json", look=look, show=False), Journal(out / "measured.json")
    (out / "networks").mkdir(exist_ok=True)
    batches = [(number, batch) for number in range(PASSES) for batch in enumerate(batched(judges))]
    found: list[dict[str, Any]] = [{} for _ in range(PASSES)]
    with Steps("measuring whole networks", len(batches)) as steps:
        for done, (number, (index, batch)) in enumerate(batches, 1):
            batch_found = journal.once(
                f"pass {number}, batch {index}", lambda b=batch: time_networks(b, made.how, out / "networks")
            )
            drift = batch_found["reference_ms"] / made.reference_ms
            for name, latency in batch_found["networks"].items():
                taken = {key: latency[key] / drift for key in ("median_ms", "low_ms", "high_ms")}
                found[number][name] = {**taken, "drift": drift, "load": batch_found["load"]}
            steps.done(done)
    return found


def judged(judges: list[Spec], asked: dict[str, Any], passes: list[dict[str, Any]]) -> dict[str, Any]:
    """The predictions beside the measurements, and what they say together."""
    rows = []
    for spec, prediction in zip(judges, asked["found"], strict=True):
        taken = [one[digest(spec)] for one in passes]
        measured = [one["median_ms"] for one in taken]
        ms, costs = float(np.mean(measured)), count_spec(spec)
        by_macs = asked["per_mac"][0] * costs.macs + asked["per_mac"][1]
        rows.append(
            {
                "network": spec.name,
                "resolution": spec.resolution,
                "rows": len(spec.trunk),
                "macs": costs.macs,
                "predicted_ms": prediction["ms"],
                "low_ms": prediction["low"],
                "high_ms": prediction["high"],
                "measured_ms": ms,
                "passes_ms": measured,
                "drift": [one["drift"] for one in taken],
                "load": [one["load"] for one in taken],
                "error": prediction["ms"] / ms - 1,
                "error_uncorrected": prediction["sum"] / ms - 1,
                "error_by_macs": by_macs / ms - 1,
                "spread": abs(measured[0] - measured[1]) / ms,
            }
        )
    spread, errors = sizes(rows, "spread"), sizes(rows, "error")
    measured_ms = [row["measured_ms"] for row in rows]
    correlation = spearmanr([row["predicted_ms"] for row in rows], measured_ms).statistic
    by_macs = spearmanr([row["macs"] for row in rows], measured_ms).statistic
    inside = sum(row["low_ms"] <= row["measured_ms"] <= row["high_ms"] for row in rows) / len(rows)
    limit = max(0.10, 2 * spread["p95"])
    verdict = {
        "error": errors,
        "bias": float(np.median([row["error"] for row in rows])),
        "rank_correlation": float(correlation),
        "inside_interval": inside,
        "spread": spread,
        "error_uncorrected": sizes(rows, "error_uncorrected"),
        "error_by_macs": sizes(rows, "error_by_macs"),
        "rank_correlation_of_macs": float(by_macs),
        "p95_limit": limit,
        "holds": bool(errors["median"] <= 0.04 and errors["p95"] <= limit and correlation >= 0.98),
    }
    say(f"median error {errors['median']:.1%}, p95 {errors['p95']:.1%}, rank correlation {correlation:.3f}")
    return {"verdict": verdict, "judges": rows}


def sizes(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Median and 95th percentile of a column's sizes."""
    values = np.abs([row[name] for row in rows])
    return {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95, method="higher"))}


if __name__ == "__main__":
    main()

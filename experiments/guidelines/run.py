"""Do the guidelines' verdicts stand? The command twice, in processes of their own, and what they agree on.

    python experiments/guidelines/run.py [--runtime onnxruntime] [--threads 1]

Two runs of up to 4 minutes each on two cores with nothing else running. Writes results.json (both reports) and
README.md beside this file; exit status 1 when verdicts contradict each other, more than a fifth is undecided,
something could not be measured, or a run took longer than 5 minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RUNS = 2
MOST_UNDECIDED, MOST_SECONDS = 0.2, 300


def compare(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """How the verdicts of the runs agree.

    `{verdicts: [{name, runs, ratios}], contradictions, not_measured, undecided, seconds}`. Borderline contradicts
    nothing: it says that the effect is as large as the line between yes and no. A ratio not measured is None.
    """
    verdicts = []
    for lines in zip(*(report["guidelines"] for report in reports), strict=True):
        assert len({line["name"] for line in lines}) == 1
        verdicts.append(
            {
                "name": lines[0]["name"],
                "runs": [line["verdict"] for line in lines],
                "ratios": [line["ratio"] for line in lines],
            }
        )
    return {
        "verdicts": verdicts,
        "contradictions": [line["name"] for line in verdicts if {"holds", "does not hold"} <= set(line["runs"])],
        "not_measured": [line["name"] for line in verdicts if "not measured" in line["runs"]],
        "undecided": [
            sum(line["runs"][run] == "undecided" for line in verdicts) / len(verdicts) for run in range(RUNS)
        ],
        "seconds": [report["seconds"] for report in reports],
    }


def passed(agreement: dict[str, Any]) -> bool:
    """What must hold of the command."""
    return (
        not agreement["contradictions"]
        and not agreement["not_measured"]
        and max(agreement["undecided"]) <= MOST_UNDECIDED
        and max(agreement["seconds"]) < MOST_SECONDS
    )


def readme(result: dict[str, Any]) -> str:
    """The agreement, then the first run in full."""
    from pocketvision.report.guidelines import markdown

    agreement, first = result["agreement"], result["runs"][0]
    lines = [
        "# The guidelines on one machine, twice",
        "",
        f"```\n{result['command']}\n```",
        "",
        f"Commit {result['commit'][:12]}. Each run is a process of its own. Contradictions: "
        f"{', '.join(agreement['contradictions']) or 'none'}. Not measured: "
        f"{', '.join(agreement['not_measured']) or 'none'}. Undecided: "
        f"{' and '.join(f'{100 * share:.0f} %' for share in agreement['undecided'])}. Seconds: "
        f"{' and '.join(f'{seconds:.0f}' for seconds in agreement['seconds'])}.",
        "",
        "| guideline | first run | second run | times as long |",
        "|---|---|---|---|",
    ]
    for line in agreement["verdicts"]:
        ratios = " and ".join("–" if ratio is None else f"{ratio:.2f}" for ratio in line["ratios"])
        lines.append(f"| {line['name']} | {' | '.join(line['runs'])} | {ratios} |")
    return "\n".join([*lines, "", "## The first run", "", markdown(first)])


def main() -> None:
    """Run, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="an experiment, to try this script (repeatable)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json and README.md")
    arguments = parser.parse_args()
    options = ["--runtime", arguments.runtime, "--threads", str(arguments.threads)]
    options += [part for name in arguments.only for part in ("--only", name)]
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            print(f"run {number + 1} of {RUNS}", file=sys.stderr, flush=True)
            saved = Path(folder) / f"{number}.json"
            command = [sys.executable, "-m", "pocketvision", "guidelines", *options, "--out", str(saved)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            reports.append(json.loads(saved.read_text()))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()
    result = {
        "command": " ".join(["python", "experiments/guidelines/run.py", *sys.argv[1:]]),
        "commit": commit,
        "agreement": compare(reports),
        "runs": reports,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    (arguments.out / "README.md").write_text(readme(result))
    print(json.dumps(result["agreement"], indent=1))
    sys.exit(0 if passed(result["agreement"]) else 1)


if __name__ == "__main__":
    main()

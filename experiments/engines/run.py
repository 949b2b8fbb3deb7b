"""Seven networks in every engine that is installed, at one and two threads, measured twice and judged.

    python experiments/engines/run.py prepare    # export and compile everything once (about half an hour)
    python experiments/engines/run.py first      # measure (below 12 minutes each)
    python experiments/engines/run.py second
    python experiments/engines/run.py judge      # which ratios the second run confirms; writes README.md

`--python PATH` is an interpreter for the engines that this one lacks; `--runtimes a,b` chooses. Every network is saved
in results.json as soon as it is done, and the same command goes on where it was stopped (`--fresh`: begins anew).
Exported files lie in runs/engines. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
BEGIN, END = "<!-- written by run.py judge -->", "<!-- end -->"

NETWORKS = {  # name of ours -> heading
    "mobilenet_v1": "V1",
    "mobilenet_v2": "V2",
    "mobilenet_v3_large": "V3-L",
    "mobilenet_v3_small": "V3-S",
    "shufflenet_v2": "Shuffle V2",
    "squeezenet_1.1": "Squeeze 1.1",
    "mnasnet_b1": "Mnas B1",
}
THREADS = [1, 2]
LOOK = {"rounds": 25, "seconds": 0.02}
GLANCE = {"rounds": 6, "seconds": 0.0005}
WITHIN = 1.10  # a ratio is confirmed when the second run's is within 10 % of the first's
WANTED = 0.90

Row = dict[str, Any]


def network(name: str, folder: Path) -> Any:
    """The network with the weights that all runs share: fresh ones, BatchNorm statistics of random pixels."""
    import torch

    import pocketvision as pv
    from pocketvision.measure.settle import settled

    path = folder / f"{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        pv.save(settled(pv.create_model(name)), path)
    return pv.load(path)


def run(label: str, arguments: argparse.Namespace) -> None:
    """Measure what `label` still lacks and save after each network."""
    from pocketvision.measure.bench import bench_report

    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str((arguments.folder / "compiled").absolute()))
    document = saved()
    about = {"command": command(), "commit": commit(), "look": LOOK, "networks": {}}
    found = document.get(label, {}) if not arguments.fresh else {}
    found = {**about, **found} if found else about
    for name in NETWORKS:
        if name in found["networks"]:
            continue
        began = time.monotonic()
        runtimes = "all" if arguments.runtimes == "all" else arguments.runtimes.split(",")
        report = bench_report(
            {name: network(name, arguments.folder)},
            runtimes,
            THREADS,
            **(GLANCE if label == "prepare" else LOOK),
            python=arguments.python,
            keep=arguments.folder / "files",
            show=True,
        )
        took = time.monotonic() - began
        print(f"{name}: {took:.0f} s", file=sys.stderr, flush=True)
        for warning in report["warnings"]:
            print(f"  note: {warning}", file=sys.stderr, flush=True)
        if label == "prepare":
            failures = {row["runtime"]: row["error"] for row in report["results"] if row["error"]}
            print("".join(f"  {runtime}: {error}\n" for runtime, error in failures.items()), end="", file=sys.stderr)
            continue
        report["took"] = took
        found["networks"][name] = report
        document[label] = found
        save(document)
    if label != "prepare":
        print(f"{label}: {sum(report['took'] for report in found['networks'].values()):.0f} s of measuring in all")


def judge() -> None:
    """Compare both runs, save the verdict, print and write the tables."""
    document = saved()
    missing = [
        label for label in ("first", "second") if set(document.get(label, {}).get("networks", {})) != set(NETWORKS)
    ]
    if missing:
        sys.exit(f"the run {missing[0]!r} is not complete: python experiments/engines/run.py {missing[0]}")
    first, second = rows(document["first"]), rows(document["second"])
    verdicts = []
    for key, row in second.items():
        before = first.get(key)
        if before is None or before["median_ms"] is None or row["median_ms"] is None:
            continue
        change = row["ratio_to_fastest"] / before["ratio_to_fastest"]
        model, runtime, threads = key
        verdicts.append(
            {
                "model": model,
                "runtime": runtime,
                "threads": threads,
                "first": before["ratio_to_fastest"],
                "second": row["ratio_to_fastest"],
                "stable": max(change, 1 / change) <= WITHIN,
            }
        )
    share = sum(verdict["stable"] for verdict in verdicts) / len(verdicts)
    document["judgement"] = {
        "share": share,
        "within": WITHIN,
        "wanted": WANTED,
        "apart": apart(first, second),
        "ratios": verdicts,
    }
    save(document)
    text = "\n".join(tables(document, second))
    page = README.read_text()
    before, _, rest = page.partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    print(text)
    if share < WANTED:
        sys.exit(f"only {share:.1%} of the ratios agree within {WITHIN - 1:.0%}: {WANTED:.0%} are wanted")


def apart(first: dict[tuple[str, str, int], Row], second: dict[tuple[str, str, int], Row]) -> dict[str, int]:
    """How many times (not ratios) of the two runs differ by more than their intervals, and by more than 10 % beyond."""
    gaps = []
    for key, row in second.items():
        before = first.get(key)
        if before and before["median_ms"] and row["median_ms"]:
            gaps.append(max(row["low_ms"] / before["high_ms"], before["low_ms"] / row["high_ms"]))
    return {"times": len(gaps), "beyond": sum(gap > 1 for gap in gaps), "far": sum(gap > WITHIN for gap in gaps)}


def rows(found: dict[str, Any]) -> dict[tuple[str, str, int], Row]:
    """(model, runtime, threads) -> its row."""
    return {
        (row["model"], row["runtime"], row["threads"]): row
        for report in found["networks"].values()
        for row in report["results"]
    }


def tables(document: dict[str, Any], second: dict[tuple[str, str, int], Row]) -> list[str]:
    """The lines of the README that come from the results."""
    judgement = document["judgement"]
    ratios = judgement["ratios"]
    stable = sum(ratio["stable"] for ratio in ratios)
    unstable = {(ratio["model"], ratio["runtime"], ratio["threads"]) for ratio in ratios if not ratio["stable"]}
    reports = list(document["second"]["networks"].values())
    machine = reports[0]["machine"]
    versions = {runtime: row["version"] for (_, runtime, _), row in second.items() if row["version"]}
    loads = [report["load"]["before"]["load"][0] for report in reports]
    took = {label: sum(one["took"] for one in document[label]["networks"].values()) for label in ("first", "second")}
    lines = [
        f"Measured {machine['time']} on {machine['cpu']}, {machine['cores']} cores ({machine['system']}); load average "
        f"before each network {min(loads):.1f} to {max(loads):.1f}. "
        + ", ".join(f"{runtime} {version}" for runtime, version in versions.items())
        + f". The first run took {took['first'] / 60:.1f} minutes, the second {took['second'] / 60:.1f}.",
        "",
        f"**{stable} of {len(ratios)} ratios to the fastest ({judgement['share']:.1%}) agree within {WITHIN - 1:.0%} "
        "between the two runs.** The others are marked with a dagger.",
        "",
        f"Of the {judgement['apart']['times']} times themselves, {judgement['apart']['beyond']} differ by more than "
        f"their intervals within a run, {judgement['apart']['far']} by more than {WITHIN - 1:.0%} beyond.",
        "",
        f"Commands: `{document['first']['command']}`, `{document['second']['command']}`.",
    ]
    for threads in THREADS:
        what = "one thread" if threads == 1 else f"{threads} threads"
        lines += ["", f"### {what.capitalize()}: median ms of one call (ratio to the fastest)", ""]
        lines += [
            "| engine | " + " | ".join(NETWORKS.values()) + " | geometric mean |",
            "|---" * (len(NETWORKS) + 2) + "|",
        ]
        table = []
        for runtime in dict.fromkeys(runtime for _, runtime, count in second if count == threads):
            each = [second[name, runtime, threads] for name in NETWORKS if (name, runtime, threads) in second]
            cells = [
                cell(second.get((name, runtime, threads)), (name, runtime, threads) in unstable) for name in NETWORKS
            ]
            logs = [math.log(row["ratio_to_fastest"]) for row in each if row["ratio_to_fastest"]]
            whole = len(logs) == len(NETWORKS)
            mean = math.exp(sum(logs) / len(logs)) if whole else math.inf
            table.append((mean, f"| {runtime} | {' | '.join(cells)} | {f'{mean:.2f}' if whole else '-'} |"))
        lines += [line for _, line in sorted(table)]
    lines += [
        "",
        "**Bold**: the fastest, and what cannot be told apart from it (the intervals overlap). †: unstable. "
        "`wrong`: its answer differs from PyTorch's by more than 1 % of their range. `-`: not measured.",
        "",
    ]
    failures = {(runtime, row["error"]) for (_, runtime, _), row in second.items() if row["error"]}
    lines += [f"* {runtime}: {error}" for runtime, error in sorted(failures)]
    doubts = {warning for report in reports for warning in report["warnings"]}
    lines += [f"* {warning}" for warning in sorted(doubts)]
    return [*lines, ""] if failures or doubts else lines


def cell(row: Row | None, unstable: bool) -> str:
    """`8.38 (1.00)`, bold when tied with the fastest, with a dagger when the first run said otherwise."""
    if row is None or row["median_ms"] is None:
        return "wrong" if row and row["wrong"] else "-"
    text = f"{row['median_ms']:.2f} ({row['ratio_to_fastest']:.2f})"
    return (f"**{text}**" if row["tied"] else text) + ("†" if unstable else "")


def saved() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(document: dict[str, Any]) -> None:
    from pocketvision.files import write_atomic

    write_atomic(RESULTS, json.dumps(document, indent=1) + "\n")


def command() -> str:
    return shlex.join(["python", "experiments/engines/run.py", *sys.argv[1:]])


def commit() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()


def main() -> None:
    """One of the four steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "first", "second", "judge"])
    parser.add_argument("--folder", type=Path, default=Path("runs/engines"))
    parser.add_argument("--runtimes", default="all")
    parser.add_argument("--python", type=Path)
    parser.add_argument("--fresh", action="store_true")
    arguments = parser.parse_args()
    if arguments.step == "judge":
        return judge()
    run(arguments.step, arguments)


if __name__ == "__main__":
    main()

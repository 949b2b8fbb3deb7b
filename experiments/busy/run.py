"""How far is a latency off when other programs run? Before: the wall clock's median. Now: `measure.latency`.

    python experiments/busy/run.py [--smoke] [--out experiments/busy/results.json]

Eight networks of 0.2 to 10 ms in ONNX Runtime, timed in quiet and beside 2, 5 and 10 busy processes (half of them
counting, half copying memory; then trainings), in turn, each loaded phase between two quiet ones. Both estimators see
the same calls, which an ordinary user could have made; then all is timed once more with the highest priority, where
the system allows it (root, most containers). About 5 minutes on a machine with nothing else running; a stopped run goes
on where it was (from state.json, which is removed at the end). Writes results.json and table.md, and ends with status 1
if, on one thread and up to 5 busy processes, a figure is more than 10 % from the quiet one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

HERE = Path(__file__).parent
NETWORKS: dict[str, tuple[str, float | None, int]] = {
    "mobilenet_v1 x0.25, 96 px": ("mobilenet_v1", 0.25, 96),
    "mobilenet_v3_small x0.5, 64 px": ("mobilenet_v3_small", 0.5, 64),
    "mobilenet_v2 x0.5, 96 px": ("mobilenet_v2", 0.5, 96),
    "squeezenet_1.1, 96 px": ("squeezenet_1.1", None, 96),
    "mobilenet_v1 x0.5, 160 px": ("mobilenet_v1", 0.5, 160),
    "mobilenet_v2 x0.75, 160 px": ("mobilenet_v2", 0.75, 160),
    "mobilenet_v2, 224 px": ("mobilenet_v2", None, 224),
    "mobilenet_v1, 192 px": ("mobilenet_v1", None, 192),
}
ON_TWO = tuple(NETWORKS)[1::2]  # those that are also timed on two threads
KINDS = {"stress": ("spin", "stream"), "trainings": ("train", "train")}
LOADS = (2, 5, 10)
REPEATS = 2
MUST, MUST_LOAD = 0.10, 5
SEED = 0
WHO = {"now": "an ordinary user", "first": "with the highest priority"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="once, beside 2 busy processes, in 6 rounds")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    options = parser.parse_args()

    from pocketvision.files import write_atomic
    from pocketvision.journal import Journal
    from pocketvision.measure.machine import machine

    state = options.out.with_name("state-smoke.json" if options.smoke else "state.json")
    journal = Journal(state)
    about = journal.once("about", lambda: {"machine": machine(), "commit": commit(), "seed": SEED})
    rounds = 6 if options.smoke else 15
    with TemporaryDirectory(prefix="pocketvision-") as folder:
        paths = exported(Path(folder))
        for stage in stages(options.smoke):
            name, threads = stage["name"], stage["threads"]
            chosen = paths if threads == 1 else {network: paths[network] for network in ON_TWO}
            journal.once(name, partial(phase, chosen, stage["kind"], stage["load"], threads, rounds))
            print(f"{name}: {journal.known[name]['seconds']:.0f} s", file=sys.stderr)
    rows = compared({name: found for name, found in journal.known.items() if name != "about"})
    command = "python experiments/busy/run.py" + " --smoke" * options.smoke
    written = {**about, "command": command, "rounds": rounds, "rows": rows, "phases": journal.known}
    write_atomic(options.out, json.dumps(written, indent=1) + "\n")
    write_atomic(options.out.with_name("table.md"), table(rows) + "\n")
    state.unlink()
    print(table(rows))
    asked = [row for row in rows if row["threads"] == 1 and row["load"] <= MUST_LOAD]
    far = [(row, key) for row in asked for key in ("now", "first") if row[key] is not None and abs(row[key]) > MUST]
    for row, key in far:
        print(f"{row['network']} beside {row['load']} {row['kind']}: {row[key]:+.1%} ({WHO[key]})")
    return 1 if far else 0


def stages(smoke: bool) -> list[dict[str, Any]]:
    """Every phase in its order: quiet ones before, between and after the loaded ones."""
    found: list[dict[str, Any]] = []

    def add(kind: str, load: int, threads: int, repeat: int) -> None:
        name = f"{len(found)}: {kind} {load}, {threads} thread{'s' * (threads > 1)}, repeat {repeat}"
        found.append({"name": name, "kind": kind, "load": load, "threads": threads})

    for threads, loads, repeats in ((1, LOADS, REPEATS), (2, (2, 5), 1)):
        for repeat in range(1, (1 if smoke else repeats) + 1):
            add("quiet", 0, threads, repeat)
            for kind in KINDS:
                for load in loads[:1] if smoke else loads:
                    add(kind, load, threads, repeat)
                    add("quiet", 0, threads, repeat)
    return found


def exported(folder: Path) -> dict[str, Path]:
    """The networks' ONNX files."""
    import torch

    from pocketvision.measure.settle import settled
    from pocketvision.models import create_model
    from pocketvision.runtimes import onnxruntime

    torch.manual_seed(SEED)
    found = {}
    for number, (name, (family, width, resolution)) in enumerate(NETWORKS.items()):
        net = create_model(family, resolution=resolution, **({} if width is None else {"width": width}))
        found[name] = onnxruntime.convert(settled(net), folder / f"{number}.onnx")
    return found


def phase(paths: dict[str, Path], kind: str, load: int, threads: int, rounds: int) -> dict[str, Any]:
    """All networks beside `load` busy processes: `{networks: {name: {before, now, latency, first}}, seconds, load}`.

    `first` is what the new estimator says with the highest priority; None where the system does not allow it.
    """
    import os

    from pocketvision.measure.priority import highest_priority

    began = datetime.now(UTC)
    kinds = KINDS.get(kind, ())
    with busy([kinds[number % len(kinds)] for number in range(load)]):
        with patch("pocketvision.measure.calls.highest_priority", lambda tasks: nullcontext()):
            found = timed(paths, threads, rounds)
        with highest_priority() as allowed:
            pass
        first = timed(paths, threads, rounds) if allowed and load else {}
        for name, both in found.items():
            both["first"] = first[name]["now"] if first else None
        averages = os.getloadavg()
    seconds = (datetime.now(UTC) - began).total_seconds()
    return {"networks": found, "load": averages, "time": began.isoformat(timespec="seconds"), "seconds": seconds}


def timed(paths: dict[str, Path], threads: int, rounds: int) -> dict[str, Any]:
    """Milliseconds of each network by both estimators, from the same calls."""
    from pocketvision.measure.latency import summarise, take_rounds
    from pocketvision.measure.pin import pinned
    from pocketvision.measure.pixels import random_pixels
    from pocketvision.runtimes import onnxruntime

    with pinned(threads):
        calls = {}
        for name, path in paths.items():
            opened = onnxruntime.load(path, threads)
            calls[name] = partial(opened.run, random_pixels(opened.preprocessing, 1, SEED))
        taken = take_rounds(calls, threads, rounds, seed=SEED)
    found = {}
    for name, turns in taken.items():
        before = median(median(call.wall for call in turn) for turn in turns) * 1e3
        latency = summarise(turns)
        found[name] = {"before": before, "now": latency.median_ms, "latency": latency.to_json()}
    return found


@contextmanager
def busy(kinds: list[str]) -> Iterator[None]:
    """Processes that work, all of them ready, while the block runs."""
    command = [sys.executable, str(HERE / "load.py")]
    started = [subprocess.Popen([*command, kind], stdout=subprocess.PIPE, text=True) for kind in kinds]
    try:
        for process in started:
            assert process.stdout and process.stdout.readline() == "ready\n"
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def compared(phases: dict[str, Any]) -> list[dict[str, Any]]:
    """Each network under each load: the median over the repeats of its error, against the quiet phases around."""
    found: dict[tuple[str, str, int, int], list[dict[str, Any]]] = {}
    ordered = list(phases.items())
    for number, (name, loaded) in enumerate(ordered):
        kind, load = name.split(": ")[1].split(",")[0].split()
        threads = int(name.split(", ")[1][0])
        if kind == "quiet":
            continue
        around = [ordered[number - 1][1], ordered[number + 1][1]]
        for network, both in loaded["networks"].items():
            quiet = sum(each["networks"][network]["before"] for each in around) / 2
            latency = both["latency"]
            errors = {key: both[key] and both[key] / quiet - 1 for key in ("before", "now", "first")}
            bounds = {key: latency[key] / quiet - 1 for key in ("least_ms", "most_ms")}
            kept = {key: latency[key] for key in ("disturbed", "reliable")}
            found.setdefault((network, kind, int(load), threads), []).append(
                {"quiet_ms": quiet, **errors, **bounds, **kept}
            )
    rows = []
    for (network, kind, load_, threads), each in found.items():
        figures = {
            key: median(one[key] for one in each)
            for key in ("quiet_ms", "before", "now", "least_ms", "most_ms", "disturbed")
        }
        first = [one["first"] for one in each if one["first"] is not None]
        figures["first"] = median(first) if first else None
        reliable = sum(one["reliable"] for one in each)
        rows.append(
            {"network": network, "kind": kind, "load": load_, "threads": threads, **figures,
             "within": sum(one["least_ms"] <= 0 <= one["most_ms"] for one in each),
             "reliable": reliable, "times": len(each)}
        )  # fmt: skip
    return sorted(rows, key=lambda row: (row["threads"], row["kind"], row["load"], row["quiet_ms"]))


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| threads | beside | network | quiet, ms | before | now | between | waited | reliable | now, first in line |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = [f"{row[key]:+.1%}".replace("%", " %") for key in ("before", "now", "least_ms", "most_ms")]
        first = "" if row["first"] is None else f"{row['first']:+.1%}"
        lines.append(
            f"| {row['threads']} | {row['load']} {row['kind']} | {row['network']} | {row['quiet_ms']:.3f} "
            f"| {figures[0]} | {figures[1]} | {figures[2]} .. {figures[3]} | {row['disturbed']:.0%} "
            f"| {row['reliable']} of {row['times']} | {first} |".replace("% |", " % |").replace("  %", " %")
        )
    return "\n".join(lines)


def commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False)
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

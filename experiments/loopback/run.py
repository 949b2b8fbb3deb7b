"""Does `--device ssh://...` say the same as a measurement here? Through a real sshd on this machine's loopback.

    python experiments/loopback/run.py [--repeats 7] [--rounds 25] [--models NAME ...]

Each repeat starts three fresh processes: two here as `bench` starts them, one behind ssh as `bench --device` does.
All networks take turns in all three, shuffled round by round, on the same core. The second process here is the
control: what differs between it and the first is noise, for ssh has no part in it. Then the command `bench` itself runs
alternately with and without --device. About 3 minutes; needs OpenSSH's server (apt-get install openssh-server); writes
results.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pocketvision as pv
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.compare import compare
from pocketvision.measure.device import Device, Local
from pocketvision.measure.latency import median_interval, summarise
from pocketvision.measure.machine import machine
from pocketvision.measure.quiet import turn_seconds
from pocketvision.measure.remote import open_device
from pocketvision.measure.settle import settled
from pocketvision.measure.turns import take_turns, worker_turn
from pocketvision.measure.workers import Client

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
from loopback import MISSING, Loopback, loopback  # noqa: E402

MODELS = ["mobilenet_v2", "mobilenet_v3_small", "squeezenet_1.1"]
PLACES = ("here", "here again", "ssh")
WHERE = ("here", "ssh")
BENCHES = 3  # of the command, each way


def main() -> None:
    """All repeats; print and save what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=25)
    arguments = parser.parse_args()
    if MISSING:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = []
        for model in arguments.models:
            pv.export(settled(pv.create_model(model)), "onnx", folder / f"{model}.onnx")
            paths.append(folder / f"{model}.onnx")
        (folder / "sshd").mkdir()
        with loopback(folder / "sshd") as server:
            os.environ["PATH"] = f"{server.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
            repeats = [repeat(server, paths, arguments.rounds, number) for number in range(arguments.repeats)]
            commands = [
                [command(paths, device, folder / "bench.json") for device in (None, server.device)]
                for _ in range(BENCHES)
            ]
    verdicts = [{row["model"]: row["verdict"] for row in compare(*pair)["rows"]} for pair in commands]
    found = {
        "networks": {path.stem: compared(path.stem, repeats, commands, verdicts) for path in paths},
        "conditions": [
            {where: {key: run[key] for key in ("load", "warnings")} for where, run in zip(WHERE, pair, strict=True)}
            for pair in commands
        ],
        "threads": 1,
        "repeats": arguments.repeats,
        "rounds": arguments.rounds,
        "runtime": {"onnxruntime": machine()["versions"]["onnxruntime"]},
        "machine": machine(),
    }
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    for line in table(found["networks"]):
        print(line)


def repeat(server: Loopback, paths: list[Path], rounds: int, seed: int) -> dict[tuple[str, str], list[list[TimedCall]]]:
    """Timed calls by (place, network) and round."""
    devices: list[Device] = [Local(), Local()]
    try:
        devices.append(open_device(server.device))
        turns, cpus = {}, None
        for place, device in zip(PLACES, devices, strict=True):
            client = Client(device)
            for path in paths:
                opened = client.ask("open", runtime="onnxruntime", path=device.put(path), threads=1, cpus=cpus)
                cpus = opened["cpus"]
                client.ask("warm", id=opened["id"], seconds=0.05)
                turns[place, path.stem] = partial(worker_turn, client, opened["id"])
        taken, failed = take_turns(turns, rounds, seed=seed)
        assert not failed, failed
        return taken
    finally:
        for device in devices:
            device.close()


def command(paths: list[Path], device: str | None, out: Path) -> dict[str, Any]:
    """What the command saves. Its rows have the network's bare name and no device, so that two runs can be compared."""
    there = ["--device", device] if device else []
    asked = [sys.executable, "-m", "pocketvision", "bench", *map(str, paths), *there, "--out", str(out), "--json"]
    subprocess.run(asked, capture_output=True, text=True, check=True)
    saved: dict[str, Any] = json.loads(out.read_text())
    for row in saved["results"]:
        row |= {"model": Path(row["model"]).stem, "device": None}
    return saved


def compared(network: str, repeats: list[Any], commands: list[Any], verdicts: list[dict[str, str]]) -> dict[str, Any]:
    """ssh and the control, each against the first process here.

    `ratio` is the median over the repeats of the median over rounds, each round's turn there by its turn here, with the
    range over the repeats; `overlapping` counts the repeats in which the two 95 % intervals of the median overlap.
    """
    row: dict[str, Any] = {}
    for place in PLACES:
        each = [summarise(taken[place, network]) for taken in repeats]
        row[place] = {
            "median_ms": round(median(latency.median_ms for latency in each), 4),
            "intervals_ms": [[round(latency.low_ms, 4), round(latency.high_ms, 4)] for latency in each],
        }
    for place in PLACES[1:]:
        ratios, overlapping = [], 0
        for taken in repeats:
            here, there = taken["here", network], taken[place, network]
            ratios.append(median(turn_seconds(b) / turn_seconds(a) for a, b in zip(here, there, strict=True)))
            a, b = summarise(here), summarise(there)
            overlapping += a.low_ms <= b.high_ms and b.low_ms <= a.high_ms
        row[f"{place} / here"] = {
            "ratio": round(median(ratios), 4),
            "range": [round(min(ratios), 4), round(max(ratios), 4)],
            "interval": [round(value, 4) for value in median_interval(ratios)],
            "overlapping": f"{overlapping} of {len(repeats)}",
        }
    row["command bench"] = [
        {where: times(network, run) for where, run in zip(WHERE, pair, strict=True)} | {"compare": verdict[network]}
        for pair, verdict in zip(commands, verdicts, strict=True)
    ]
    return row


def times(network: str, run: dict[str, Any]) -> list[float]:
    """The network's interval and median, ms."""
    found = next(row for row in run["results"] if row["model"] == network)
    return [round(found[key], 4) for key in ("low_ms", "median_ms", "high_ms")]


def table(networks: dict[str, dict[str, Any]]) -> list[str]:
    """The lines of README.md's table."""
    lines = [
        "| network | ms here | ms behind ssh | ssh / here | overlap | again / here | overlap | `bench --compare` |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for network, row in networks.items():
        cells = [network, *(f"{row[place]['median_ms']:.2f}" for place in ("here", "ssh"))]
        for place in ("ssh", "here again"):
            found = row[f"{place} / here"]
            low, high = found["range"]
            cells += [f"{found['ratio']:.3f} ({low:.3f}-{high:.3f})", found["overlapping"]]
        pairs = row["command bench"]
        same = sum(pair["compare"] == "same" for pair in pairs)
        lines.append("| " + " | ".join([*cells, f"same in {same} of {len(pairs)}"]) + " |")
    return lines


if __name__ == "__main__":
    main()

"""Do the rows of `pocketvision profile` add up to the whole network? Five networks, two runtimes, twice, one thread.

    python experiments/row_times/run.py [--rounds 15] [--out experiments/row_times/results.json]

The whole is timed without any profile, the rows in other calls of the same minute; nothing scales one to the other.
About 3 minutes on a machine with nothing else running. Writes results.json, prints the table of the README, and ends
with status 1 if any sum is more than 10 % from its whole.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NETWORKS = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2", "squeezenet_1.1")
RUNTIMES = ("onnxruntime", "torch")
TIMES = 2
MOST = 0.10  # of the whole, what may lie between the rows
KEPT = (
    "model", "runtime", "version", "threads", "ms", "ms_interval", "sum_ms", "between_ms", "gap", "outside",
    "squeeze_excite", "overhead_us", "notes",
)  # fmt: skip


def measure(rounds: int) -> list[dict[str, Any]]:
    """One dict for each network, runtime and time: what `profile` says, without the operations inside the rows."""
    import torch

    torch.set_num_threads(1)  # once a process: switching costs speed
    import pocketvision as pv
    from pocketvision.progress import Steps

    found = []
    with Steps("profiling", TIMES * len(NETWORKS) * len(RUNTIMES)) as steps:
        for time in range(1, TIMES + 1):
            for runtime in RUNTIMES:
                for name in NETWORKS:
                    profile = pv.profile(pv.create_model(name).eval(), rounds, runtime, threads=1)
                    rows = [{key: row[key] for key in ("row", "kind", "ms", "macs")} for row in profile["rows"]]
                    kinds = {kind: amounts["ms"] for kind, amounts in profile["kinds"].items()}
                    kept = {key: profile[key] for key in KEPT}
                    here = {key: profile["machine"][key] for key in ("load", "time")}
                    found.append({"run": time, **kept, **here, "kinds": kinds, "rows": rows})
                    steps.done(len(found), f"{name} in {runtime}")
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Markdown: each network and runtime with its whole, its sum, and the gap of every time."""
    lines = [
        "| runtime | network | whole, ms | rows, ms | input and output, ms | between, ms | gap | gap again |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for first in (one for one in found if one["run"] == 1):
        again = [one for one in found if one["run"] > 1 and all(one[key] == first[key] for key in ("model", "runtime"))]
        outside = sum(first["outside"].values())
        low, high = first["ms_interval"]
        figures = [
            f"{first['ms']:.3f} ({low:.3f}-{high:.3f})",
            f"{first['sum_ms'] - outside:.3f}",
            f"{outside:.3f}",
            f"{first['between_ms']:.3f}",
            *(f"{one['gap']:+.1%}".replace("%", " %") for one in (first, *again)),
        ]
        lines.append(f"| {first['runtime']} | {first['model']} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of the timing function, at least 6")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    options = parser.parse_args()

    from pocketvision.files import write_atomic
    from pocketvision.measure.machine import machine

    here = machine()
    found = measure(options.rounds)
    write_atomic(options.out, json.dumps({"machine": here, "threads": 1, "results": found}, indent=1) + "\n")
    print(table(found))
    far = [one for one in found if abs(one["gap"]) > MOST]
    for one in far:
        print(
            f"{one['model']} in {one['runtime']}, run {one['run']}: {one['gap']:+.1%} apart (load {one['load'][0]:.1f})"
        )
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())

"""Two saved comparisons of the same networks: what changed beyond noise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from pocketvision.errors import InputError

WHAT = ("model", "runtime", "threads", "batch", "precision", "device")  # what makes two rows the same measurement
MACHINE = ("cpu", "architecture", "cores", "memory", "system", "python", "governor", "instructions")
LEAST_COMMON = 3  # rows from which the machine's own pace can be told from a change of one row
PACE = 1.05  # the common pace that is worth a word
# An interval is the noise within one run; two runs on a machine that others share differ by more. Of 126 times in
# experiments/engines, measured twice, 22 lay beyond both intervals, 1 by more than this.
BETWEEN_RUNS = 1.10


def read(path: str | Path) -> dict[str, Any]:
    """A file that `bench --out` wrote. InputError for anything else."""
    path = Path(path)
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}; check the path") from error
    except ValueError as error:
        raise InputError(f"{path} is not a file of 'bench --out': it is no JSON; give two of those") from error
    rows = document.get("results") if isinstance(document, dict) else None
    needed = {"model", "runtime", "threads", "batch", "median_ms", "low_ms", "high_ms"}
    if (
        not isinstance(rows, list)
        or not rows
        or not isinstance(document.get("machine"), dict)
        or not all(isinstance(row, dict) and needed <= set(row) for row in rows)
    ):
        raise InputError(f"{path} is not a file of 'bench --out': it holds no results and machine; give two of those")
    return document


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`{rows, pace, only_old, only_new, machine, notes}`.

    A row is `{model, runtime, threads, batch, old_ms, new_ms, change, low, high, versions, verdict}`: `change` is new
    over old, `low`..`high` the range that both bounds allow and `versions` the runtime's two where they differ. Its
    verdict is "slower" or "faster" when the two intervals are apart by more than BETWEEN_RUNS and the row has also
    changed so much against `pace`, the median change of the rows whose runtime kept its version: when all of those are
    slower alike it is the machine that changed. Else it is "same"; "unmeasured" where one side has no time.
    `machine` names differences between the machines and versions as `{what: [old, new]}`.
    """
    before, after = _by_name(old), _by_name(new)
    rows = [_row(before[key], after[key]) for key in before if key in after]
    measured = [row for row in rows if row["change"] is not None]
    changes = [row["change"] for row in measured if row["versions"] is None]
    pace = median(changes) if len(changes) >= LEAST_COMMON else 1.0
    for row in rows:
        row["verdict"] = _verdict(row, pace)
    notes = []
    if measured and len(changes) < LEAST_COMMON:
        notes.append(
            f"with fewer than {LEAST_COMMON} common rows in the same versions a change of a network cannot be told "
            "from one of the machine: time others beside it"
        )
    elif max(pace, 1 / pace) > PACE:
        way = "slower" if pace > 1 else "faster"
        notes.append(
            f"what ran in the same versions is {max(pace, 1 / pace):.2f} times {way} alike: the machine changed, not "
            "the networks; the verdicts allow for it"
        )
    upgraded = {(row["runtime"], *row["versions"]) for row in measured if row["versions"]}
    for runtime, one, other in sorted(upgraded):
        notes.append(
            f"{runtime} {one} -> {other}: a change of its rows may be the runtime's and not the network's; they say "
            "nothing about the machine's pace"
        )
    machine = _differences(old["machine"], new["machine"])
    if machine:
        notes.append(f"the two were not measured on the same machine and versions: {', '.join(machine)} differ")
    return {
        "rows": rows,
        "pace": pace,
        "only_old": [_name(before[key]) for key in before if key not in after],
        "only_new": [_name(after[key]) for key in after if key not in before],
        "machine": machine,
        "notes": notes,
    }


def _by_name(document: Mapping[str, Any]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    return {tuple(row.get(key) for key in WHAT): row for row in document["results"]}


def _name(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row.get(key) for key in WHAT if row.get(key) is not None}


def _row(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    change = low = high = None
    if old["median_ms"] and new["median_ms"]:
        change = new["median_ms"] / old["median_ms"]
        (old_low, old_high), (new_low, new_high) = _bounds(old), _bounds(new)
        low, high = new_low / old_high, new_high / old_low
    times = {"old_ms": old["median_ms"], "new_ms": new["median_ms"]}
    one, other = old.get("version"), new.get("version")
    versions = [one, other] if one and other and one != other else None
    return {**_name(old), **times, "change": change, "low": low, "high": high, "versions": versions}


def _bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    """Between what the quiet latency lies; files of older versions only have the interval of the median."""
    return row.get("least_ms", row["low_ms"]), row.get("most_ms", row["high_ms"])


def _verdict(row: Mapping[str, Any], pace: float) -> str:
    if row["change"] is None:
        return "unmeasured"
    if row["low"] > BETWEEN_RUNS * max(1.0, pace):
        return "slower"
    return "faster" if row["high"] * BETWEEN_RUNS < min(1.0, pace) else "same"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    found = {key: [old.get(key), new.get(key)] for key in MACHINE if old.get(key) != new.get(key)}
    one, other = old.get("versions") or {}, new.get("versions") or {}
    names = sorted({*one, *other})
    found |= {name: [one.get(name), other.get(name)] for name in names if one.get(name) != other.get(name)}
    return found

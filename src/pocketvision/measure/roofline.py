"""How far each row is from what the machine can do (Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009).

A row's arithmetic intensity is 2 * multiply-adds over the bytes that must move: its input, its weights, its output,
each once, in float32. What it passes from operation to operation inside is not among them: a kernel could keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from pocketvision.measure.memory_rates import LEVELS

FLOAT_BYTES = 4
WORTH = 3  # rows to attack


def on_roofline(profile: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Any]:
    """`profile` (of `measure.profile`) with each row's place under the ceilings of `machine` (`measured_machine`).

    Adds `roofline`: `{threads, fma_gflops, fma_source, weights_from, bandwidth: {L2: GB/s, ...}}`; `worth`:
    `[{row}]`, where most time could be won (`report.worth` says it in sentences); and to every row `bytes`,
    `intensity` (FLOP a byte), `gflops`, `floor_ms`, `of_machine` and `bound` ("arithmetic" or "memory").

    `floor_ms` is the larger of the time that its arithmetic takes at the measured peak, and the time that its weights
    take from the memory that holds the whole network (they come from there every time) with its maps from the nearest
    memory that has room for them;
    `of_machine` is that over the measured time. They are None where a ceiling or the time is not known.
    """
    threads = profile["threads"]
    peaks = machine["peaks"][str(threads)]
    rates = {level: peaks["bandwidth"][level]["read"] for level in LEVELS if peaks["bandwidth"][level]["read"]}
    room = {level: size for level in LEVELS[:2] if (size := peaks["bandwidth"][level]["room"])}
    held_in = nearest(FLOAT_BYTES * profile["params"] + profile["peak_activation_bytes"], room, rates)
    rows = [_placed(row, peaks["fma_gflops"], room, rates, held_in) for row in profile["rows"]]
    return {
        **profile,
        "machine": machine,
        "rows": rows,
        "roofline": {
            "threads": threads,
            "fma_gflops": peaks["fma_gflops"],
            "fma_source": peaks["fma_source"],
            "weights_from": held_in,
            "bandwidth": rates,
        },
        "worth": [{"row": row["row"]} for row in worth_attacking(rows)],
    }


def nearest(size: int, room: Mapping[str, int], rates: Mapping[str, float]) -> str | None:
    """The nearest measured memory that holds `size` bytes; None where nothing was measured."""
    fitting = [level for level in rates if size <= room.get(level, 0 if level != "DRAM" else size)]
    return fitting[0] if fitting else next(reversed(list(rates)), None)


def worth_attacking(rows: Sequence[Mapping[str, Any]], most: int = WORTH) -> list[Mapping[str, Any]]:
    """The rows that lose most time against their floor, the largest loss first."""
    known = [row for row in rows if row["floor_ms"] is not None]
    return sorted(known, key=lambda row: row["floor_ms"] - row["ms"])[:most]


def _placed(
    row: Mapping[str, Any], peak: float | None, room: Mapping[str, int], rates: Mapping[str, float], held_in: str | None
) -> dict[str, Any]:
    maps = FLOAT_BYTES * (prod(row["input"]) + prod(row["output"]))
    weights = FLOAT_BYTES * row["params"]
    flops = 2 * row["macs"]
    maps_in = nearest(maps, room, rates)
    memory_ms = (
        (weights / rates[held_in] + maps / rates[maps_in]) / 1e6
        if held_in is not None and maps_in is not None
        else None
    )
    arithmetic_ms = flops / peak / 1e6 if peak else None
    known = memory_ms is not None and arithmetic_ms is not None and row["ms"] > 0
    floor_ms = max(memory_ms, arithmetic_ms) if memory_ms is not None and arithmetic_ms is not None and known else None
    return {
        **row,
        "bytes": maps + weights,
        "intensity": flops / (maps + weights),
        "gflops": flops / row["ms"] / 1e6 if row["ms"] > 0 else None,
        "floor_ms": floor_ms,
        "of_machine": floor_ms / row["ms"] if floor_ms is not None else None,
        "bound": None if floor_ms is None else "arithmetic" if floor_ms == arithmetic_ms else "memory",
    }

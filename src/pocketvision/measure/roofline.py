"""How far each row is from what the machine can do (Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009).

A row's arithmetic intensity is 2 * multiply-adds over the bytes that must move: its input, its weights, its output,
each once, in float32. What it passes from operation to operation inside is not among them: a kernel could keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

FLOAT_BYTES = 4
LEVELS = ("L2", "L3", "DRAM")
WORTH = 3  # rows to attack

# How the words call an operation of each kind.
NAMES = {
    "pointwise": "1x1 convolution",
    "depthwise": "depthwise",
    "convolution": "convolution",
    "dense": "dense layer",
    "normalisation": "batch normalisation",
    "activation": "activation",
    "pooling": "pooling",
    "elementwise": "element-wise arithmetic",
    "shuffle": "shuffling, splitting and joining",
    "layout": "layout changes",
}


def on_roofline(profile: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Any]:
    """`profile` (of `measure.profile`) with each row's place under the ceilings of `machine` (`measured_machine`).

    Adds `roofline`: `{threads, fma_gflops, fma_source, weights_from, bandwidth: {L2: GB/s, ...}}`; `worth`:
    `[{row, text}]`, a sentence for each of the rows where most time could be won; and to every row `bytes`,
    `intensity` (FLOP a byte), `gflops`, `floor_ms`, `of_machine` and `bound` ("arithmetic" or "memory").

    `floor_ms` is the larger of the time that its arithmetic takes at the measured peak, and the time that its weights
    take from the memory that holds the whole network (they come from there every time) with its maps from the nearest
    memory that has room for them;
    `of_machine` is that over the measured time. They are None where a ceiling or the time is not known.
    """
    threads = profile["threads"]
    peaks = machine["peaks"][str(threads)]
    caches = machine.get("caches") or {}
    rates = {level: peaks["bandwidth"][level]["read"] for level in LEVELS if peaks["bandwidth"][level]["read"]}
    # L2 belongs to a core: a map that is worked on by several is spread over theirs.
    room = {level: caches[level] * (threads if level == "L2" else 1) for level in LEVELS[:2] if level in caches}
    held_in = nearest(FLOAT_BYTES * profile["params"] + profile["peak_activation_bytes"], room, rates)
    rows = [_placed(row, peaks["fma_gflops"], room, rates, held_in) for row in profile["rows"]]
    placed = {
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
    }
    worth = [{"row": row["row"], "text": in_words(row, placed)} for row in worth_attacking(rows)]
    return {**placed, "worth": worth}


def nearest(size: int, room: Mapping[str, int], rates: Mapping[str, float]) -> str | None:
    """The nearest measured memory that holds `size` bytes; None where nothing was measured."""
    fitting = [level for level in rates if size <= room.get(level, 0 if level != "DRAM" else size)]
    return fitting[0] if fitting else next(reversed(list(rates)), None)


def worth_attacking(rows: Sequence[Mapping[str, Any]], most: int = WORTH) -> list[Mapping[str, Any]]:
    """The rows that lose most time against their floor, the largest loss first."""
    known = [row for row in rows if row["floor_ms"] is not None]
    return sorted(known, key=lambda row: row["floor_ms"] - row["ms"])[:most]


def in_words(row: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    """`row 13, Bneck 14x14x112 -> 14x14x160: 9 % of the time at 31 % of what the machine can; ...`."""
    name = "the head" if row["row"] == "head" else f"row {row['row']}"
    said = (
        f"{name}, {row['kind']} {_shape(row['input'])} -> {_shape(row['output'])}: {row['share_ms']:.0%} of the time "
        f"at {row['of_machine']:.0%} of what the machine can, bound by {row['bound']}"
    ).replace("%", " %")
    groups = _groups(row)
    if not groups or len(row["operations"]) < 2:
        return said
    name, ms = max(groups.items(), key=lambda item: item[1])
    said += f"; {name} takes {ms / row['ms']:.0%} of it".replace("%", " %")
    macs = row["macs"] / max(1, profile["macs"])
    share = row["share_ms"]
    if macs and share > 1.5 * macs:
        said += f", the row has only {macs:.1%} of the multiply-adds".replace("%", " %")
    return said


def _groups(row: Mapping[str, Any]) -> dict[str, float]:
    """ms of what the row does, by its names: `its depthwise 5x5`, `squeeze-and-excite`, ..."""
    found: dict[str, float] = {}
    for operation in row["operations"]:
        name = f"its {NAMES[operation['kind']]}"
        if operation["squeeze"]:
            name = "its squeeze-and-excite"
        elif operation["kind"] in ("depthwise", "convolution"):
            name += " " + "x".join(map(str, operation["kernel"]))
        elif operation["kind"] == "pointwise" and operation["part"]:
            name = f"its 1x1 {operation['part'].split('.')[0]}"
        found[name] = found.get(name, 0.0) + operation["ms"]
    return found


def _shape(sides: Sequence[int]) -> str:
    """(C, H, W) as papers write it, HxWxC."""
    return "x".join(map(str, (*sides[1:], *sides[:1])))


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

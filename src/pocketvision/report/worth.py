"""The rows of a profile that are worth attacking, each in a sentence. [core]"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import text
from .kinds import KINDS


def worth(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{row, text}]` for the rows in the profile's `worth` (see `measure.roofline.on_roofline`)."""
    rows = {row["row"]: row for row in profile["rows"]}
    return [{"row": item["row"], "text": in_words(rows[item["row"]], profile)} for item in profile["worth"]]


def in_words(row: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    """`row 13, Bneck 14x14x112 -> 14x14x160: 9 % of the time at 31 % of what the machine can; ...`."""
    name = "the head" if row["row"] == "head" else f"row {row['row']}"
    shapes = " -> ".join(text.shape(row[side], "x") for side in ("input", "output"))
    said = (
        f"{name}, {row['kind']} {shapes}: {text.percent(row['share_ms'], 0)} of the time at "
        f"{text.percent(row['of_machine'], 0)} of what the machine can, bound by {row['bound']}"
    )
    groups = _groups(row)
    if not groups or len(row["operations"]) < 2:
        return said
    name, ms = max(groups.items(), key=lambda item: item[1])
    said += f"; {name} takes {text.percent(ms / row['ms'], 0)} of it"
    macs = row["macs"] / max(1, profile["macs"])
    if macs and row["share_ms"] > 1.5 * macs:
        said += f", the row has only {text.percent(macs)} of the multiply-adds"
    return said


def _groups(row: Mapping[str, Any]) -> dict[str, float]:
    """ms of what the row does, by its names: `its depthwise 5x5`, `squeeze-and-excite`, ..."""
    found: dict[str, float] = {}
    for operation in row["operations"]:
        name = f"its {KINDS[operation['kind']].said}"
        if operation["squeeze"]:
            name = "its squeeze-and-excite"
        elif operation["kind"] in ("depthwise", "convolution"):
            name += " " + "x".join(map(str, operation["kernel"]))
        elif operation["kind"] == "pointwise" and "." in operation["part"]:  # else a fused activation's name
            name = f"its 1x1 {operation['part'].split('.')[0]}"
        found[name] = found.get(name, 0.0) + operation["ms"]
    return found

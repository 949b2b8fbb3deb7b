"""What `doctor` found, for a terminal: what there is, then what is wrong with it, the worst first. [core]"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pocketvision.units import counted, some

from . import text
from .columns import Columns
from .terminal import Fitted, print_table

SIGNS = {"error": ("✕", "red"), "warning": ("!", "yellow"), "note": ("·", "dim"), "fine": ("✓", "green")}
MOST_CLASSES = 30  # rows of the table; of more classes, the largest and the smallest


def diagnosis(seen: Mapping[str, Any], console: Console) -> None:
    """Print an examination, given as `Examination.to_json` returns it."""
    console.print(Fitted(Text(_summary(seen), "bold")))
    console.print()
    shown, hidden = _chosen(class_rows(seen))
    columns: Columns = [("class", "class", str), *((split, split, text.whole) for split in seen["splits"])]
    print_table(shown, columns, console)
    if hidden:
        console.print(Fitted(Text(f"and {counted(hidden, 'class', 'classes')} between these", "dim")))
    console.print()
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for severity, said in [(f["severity"], f["text"]) for f in seen["findings"]] + [("fine", s) for s in _fine(seen)]:
        sign, style = SIGNS[severity]
        grid.add_row(Fitted(Text(sign, style)), Fitted(Text.assemble(_word(severity), said)))
    console.print(grid)


def class_rows(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each class: {"class": name, split: images, ...}."""
    return [
        {"class": name} | {split: counts[name] for split, counts in seen["splits"].items()} for name in seen["classes"]
    ]


def _chosen(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    if len(rows) <= MOST_CLASSES:
        return list(rows), 0
    sized = sorted(rows, key=lambda row: -sum(value for key, value in row.items() if key != "class"))
    half = MOST_CLASSES // 2
    return [*sized[:half], *sized[-half:]], len(rows) - 2 * half


def _summary(seen: Mapping[str, Any]) -> str:
    sides, looked = seen["sides"], seen["looked"]
    said = [f"{counted(seen['images'], 'image')} in {counted(len(seen['classes']), 'class', 'classes')}"]
    if sides:
        low, middle, high = sides["shorter"]["min"], sides["shorter"]["median"], sides["longer"]["max"]
        said.append(f"{low} px" if low == high else f"{low} to {high:,} px, the shorter side usually {middle}")
        said.append("grey" if not sides["colour"] else "colour" if not sides["grey"] else "grey and colour")
    return " · ".join([*said, f"{looked['seconds']:.1f} s, {looked['images_per_second']:,.0f} images/s"])


def _word(severity: str) -> tuple[str, str] | str:
    return (f"{severity}: ", SIGNS[severity][1]) if severity in ("error", "warning") else ""


def _fine(seen: Mapping[str, Any]) -> list[str]:
    """What was looked for and not found."""
    said = []
    if not seen["unreadable"] and not seen.get("unread"):
        said.append("every image can be read")
    if not seen["duplicates"]:
        searched = seen["looked"]["near_duplicates_among"] >= seen["images"] - len(seen["unreadable"])
        said.append("no picture is there twice" if searched else "no picture is there twice without a change")
    elif not any(group["across_splits"] for group in seen["duplicates"]) and len(seen["splits"]) > 1:
        said.append("no picture is in two splits")
    if not seen["suspicious"] and (judged := _judged(seen)):
        said.append(f"{judged} looks wrong")
    return said


def _judged(seen: Mapping[str, Any]) -> str:
    """`no label`, of whatever was judged; "" for nothing."""
    looked, readable = seen["looked"], seen["images"] - len(seen["unreadable"])
    judged = [name for name in seen["classes"] if name not in looked["classes_not_judged"]]
    if not judged or not looked["labels_judged_among"]:
        return ""
    if looked["labels_judged_among"] < readable:
        return f"none of the labels that were judged ({looked['labels_judged_among']:,} of {readable:,})"
    return "no label" if len(judged) == len(seen["classes"]) else f"no label of {some(judged)}"

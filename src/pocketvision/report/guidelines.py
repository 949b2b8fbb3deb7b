"""The guidelines as tables: the paper's beside this machine's, and what holds here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import text
from .columns import Columns

# fmt: off
GUIDELINES: Columns = (
    ("name",    "guideline",     ""),
    ("says",    "",              ""),
    ("verdict", "here",          ""),
    ("ratio",   "times as long", ".2f"),
    ("between", "interval",      ""),
    ("arm",     "paper's ARM",   ".2f"),
    ("gpu",     "paper's GPU",   ".2f"),
)
# fmt: on


def guidelines(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of GUIDELINES for each guideline."""
    return [
        {
            **claim,
            "between": "{:.2f}–{:.2f}".format(*claim["interval"]) if claim["interval"] else None,
            "arm": (claim["paper"] or {}).get("arm"),
            "gpu": (claim["paper"] or {}).get("gpu"),
        }
        for claim in report["guidelines"]
    ]


def experiment(table: Mapping[str, Any]) -> tuple[Columns, list[dict[str, Any]]]:
    """An experiment's columns and lines. One cell has all of the experiment's own columns, as in `612/151/37.1`.

    The paper's tables have speeds, as printed there; the others times. A star marks ratios per multiply-add.
    """
    by = "/".join(table["columns"])
    if len(table["columns"]) > 1 and not any(row["paper"] for row in table["rows"]):
        by = ", ".join(table["columns"])
    per = "times as long" + "*" * table["per_mac"]
    columns: list[tuple[str, str, str]] = [("label", "", "")]
    if any(row["paper"] for row in table["rows"]):
        columns += [
            ("widths", f"channels, {table['columns'][0]}", ""),
            ("here", f"images/s here, {by}", ""),
            ("ratio", per, ""),
            ("arm", "paper's ARM", ""),
            ("arm_ratio", "times as long", ""),
            ("gpu", "paper's GPU", ""),
        ]
    else:
        columns += [("ms", f"ms, {by}", ""), ("ratio", per, "")]
    return columns, [_line(row) for row in table["rows"]]


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    times = [cell["ms"] for cell in row["cells"]]
    paper: Mapping[str, Any] = row["paper"] or {}
    return {
        "label": row["label"],
        "widths": row["widths"],
        "ms": "/".join(map(text.significant, times)),
        "ratio": _ratios([cell["ratio"] for cell in row["cells"]]),
        "here": "/".join(text.significant(ms and 1000 / ms) for ms in times),
        "arm": "/".join(f"{speed:.1f}" for speed in paper.get("arm_per_second", ())) or None,
        "arm_ratio": _ratios(paper.get("arm_ratio", ())),
        "gpu": "/".join(f"{speed:g}" for speed in paper.get("gpu_per_second", ())) or None,
    }


def _ratios(values: Sequence[float | None]) -> str | None:
    return "/".join(text.MISSING if value is None else f"{value:.2f}" for value in values) or None


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What stands below the tables: the advice, then on what and by which rule."""
    for said in report["advice"]:
        sentence = said["sentence"]
        yield f"{sentence[0].upper()}{sentence[1:]}."
    machine, threads = report["machine"], report["threads"]
    load = f"load {machine['load'][0]:.1f}, " if machine["load"] else ""
    yield ""
    yield (
        f"{machine['cpu']}, {text.counted(threads, 'thread')}, {report['runtime']} {report['version']}, "
        f"{load}{machine['time']}, {text.duration(report['seconds'])}."
    )
    yield report["rule"]
    if any(table["per_mac"] for table in report["experiments"]):
        yield "A star: per multiply-add, because whole channels cannot make these networks exactly equal."
    if any(row["paper"] for table in report["experiments"] for row in table["rows"]):
        yield report["source"]


def markdown(report: Mapping[str, Any]) -> str:
    """The same as Markdown, for a file."""
    parts = ["| " + " | ".join(heading for _, heading, _ in GUIDELINES) + " |", "|---" * len(GUIDELINES) + "|"]
    parts += [_markdown_line(line, GUIDELINES) for line in guidelines(report)]
    for table in report["experiments"]:
        columns, rows = experiment(table)
        parts += ["", f"**{table['name']}.** {table['title']}; {text.counted(table['rounds'], 'round')}.", ""]
        parts += ["| " + " | ".join(heading for _, heading, _ in columns) + " |", "|---" * len(columns) + "|"]
        parts += [_markdown_line(row, columns) for row in rows]
        parts += ["", table["note"]] if table["note"] else []
    parts += ["", *(f"* {line}" if line else "" for line in lines(report)), ""]
    return "\n".join(parts)


def _markdown_line(line: Mapping[str, Any], columns: Columns) -> str:
    shown = []
    for key, _, how in columns:
        value = line.get(key)
        shown.append(text.MISSING if value is None else format(value, how) if isinstance(how, str) else how(value))
    return "| " + " | ".join(shown) + " |"

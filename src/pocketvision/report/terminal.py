"""What a run says in the terminal at its end, and the tables of the other commands. [core]

Nothing here prints colours or box drawing where the console cannot show them: rich drops colours when the output is
not a terminal, and `Fitted` rewrites our own signs for consoles without Unicode.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from . import text, words
from . import verdict as verdicts
from .columns import Columns, Format

FILES = ("model.onnx", "model.safetensors", "report.html", "report.json")
FOLDED = 16  # letters: a column of text becomes no narrower
_BAR = 24  # letters
_ASCII = str.maketrans(
    {"\u202f": " ", "–": "-", "×": "x", "≈": "~", "·": "-", "…": ".", "✓": "*", "✕": "!", "━": "=", "─": "-", "╋": "|"}
)
_STYLES = {"good": "green", "bad": "red", "unknown": "yellow"}
_SIGNS = {"good": "✓", "bad": "✕", "unknown": "–"}


class Fitted:
    """Text that is shown in signs the console's encoding has, and in none that a terminal would obey."""

    def __init__(self, shown: Text) -> None:
        self.shown = shown

    def __str__(self) -> str:
        return self.shown.plain

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._fitted(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._fitted(options))

    def _fitted(self, options: ConsoleOptions) -> Text:
        fitted = self.shown.copy()
        fitted.plain = text.printable(self.shown.plain)
        if options.ascii_only:
            fitted.plain = fitted.plain.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        return fitted


def verdict_panel(report: Mapping[str, Any], console: Console, folder: str | Path | None = None) -> None:
    """Print the verdict, its reason, the export check, and which of the run's files lie in `folder`."""
    verdict: Mapping[str, Any] = report.get("verdict") or {}
    check: Mapping[str, Any] = report.get("export_check") or {}
    kept, export, ticked = words.budget(verdict), words.export(check), verdicts.tick(verdict)
    what, value, interval = verdicts.headline_figure(verdict)
    size = [
        f"{text.count(verdict.get(key))} {what}" for key, what in (("params", "parameters"), ("macs", "multiply-adds"))
    ]
    facts = [text.percent_interval(interval), words.split_images(verdict), *verdicts.accuracy_facts(verdict)]
    rows = [("" if i else "missing", Text(said, "red")) for i, said in enumerate(verdicts.missing(verdict)[1:])]
    helps, command = verdicts.best_help(verdict)
    rows += [("helps most", Text.assemble(f"{helps}: ", (command, "bold")))] if command else []
    rows += [
        (what, _figure(text.percent(value), *facts)),
        ("latency", _figure(text.milliseconds(verdict.get("latency_ms")), words.where_measured(verdict))),
        *([("", Text(said, "dim"))] if (said := verdicts.conditions(verdict)) else []),
        ("", _bar(verdict, kept)),
        ("size", _figure(text.size(verdict.get("size_bytes")), *size)),
        ("export", Text.assemble((f"{_SIGNS[export.state]} ", _STYLES[export.state]), export.text)),
    ]
    if unsure := words.rejection(report.get("calibration") or {}):
        rows.append(("unsure", Text(unsure)))
    if reason := verdict.get("reason"):
        rows.append(("why", Text(str(reason))))
    rows += [("note" if i == 0 else "", Text(str(note), "dim")) for i, note in enumerate(report.get("notes") or [])]
    if folder is not None:
        there = [name for name in FILES if (Path(folder) / name).exists()]
        rows.append(("files", Text.assemble((f"{folder}/", "bold"), (" " + "  ".join(there), "cyan"))))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for label, shown in rows:
        grid.add_row(label, Fitted(shown))
    title = Text.assemble(
        (f"{_SIGNS[ticked.state]} ", _STYLES[ticked.state]),
        (words.network_name(verdict), "bold"),
        (f"  {ticked.text}", _STYLES[ticked.state]),
    )
    content: RenderableType = Group(Fitted(title), Text(), grid)
    if console.is_terminal:
        content = Panel(
            content,
            box=box.ROUNDED,
            border_style=_STYLES[ticked.state],
            padding=(1, 2),
            expand=False,
            width=min(console.width, 100),
        )
    console.print(content)


def table(rows: Sequence[Mapping[str, Any]], columns: Columns) -> Table:
    """A table of `rows`: one column per (key, heading, format).

    Columns of numbers are set to the right; a missing value, None and NaN are a dash. Names are shown as they are:
    square brackets in them are not markup.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for key, heading, _ in columns:
        numeric = any(text.number(row.get(key)) is not None for row in rows)
        made.add_column(Fitted(Text(heading)), justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in rows:
        made.add_row(*(Fitted(Text(_cell(row.get(key), how))) for key, _, how in columns))
    for column in made.columns:
        longest = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
        column.min_width = longest if column.no_wrap else min(longest, FOLDED)
    return made


def print_table(rows: Sequence[Mapping[str, Any]], columns: Columns, console: Console) -> None:
    """Print the table; where the console is too narrow for it, lines run over and no digit is cut off."""
    made, width = table(rows, columns), console.width
    least = Measurement.get(console, console.options.update(width=sys.maxsize), made).minimum
    console.width = max(width, least)
    console.print(made)
    console.width = width


def _cell(value: Any, how: Format) -> str:
    if value is None or (isinstance(value, float) and text.number(value) is None):
        return "-"
    if callable(how):
        return how(value)
    return format(value, how) if how else text.plain(value)


def _figure(figure: str, *facts: str) -> Text:
    """A bold figure and what is known about it; facts that are missing are left out."""
    said = " · ".join(fact for fact in facts if fact and text.MISSING not in fact.split())
    return Text.assemble((figure, "bold"), f"  {said}" if said else "")


def _bar(verdict: Mapping[str, Any], kept: words.Statement) -> Text:
    """The latency as a bar against the budget, which is a tick on it."""
    median, budget_ms = text.number(verdict.get("latency_ms")), text.number(verdict.get("budget_ms"))
    if median is None or not budget_ms:
        return Text(kept.text, "dim")
    full = max(budget_ms * 1.2, median * 1.02)
    tick = min(round(_BAR * budget_ms / full), _BAR - 1)
    filled = max(1, round(_BAR * median / full))
    if kept.state == "good":
        filled = min(filled, tick)  # rounding must not make the bar touch a budget that is kept
    bar = Text()
    for i in range(_BAR):
        if i == tick:
            bar.append("╋", "bold")
        else:
            bar.append("━" if i < filled else "─", _STYLES[kept.state] if i < filled else "dim")
    return bar.append(f"  {text.percent(median / budget_ms, 0)} of {text.limit(budget_ms)}", "dim")

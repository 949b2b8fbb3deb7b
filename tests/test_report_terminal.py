"""The verdict in the terminal, and the tables of the commands."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pocketvision.report import text
from pocketvision.report.terminal import print_table, table, verdict_panel
from test_report import sample_report, small_report


def printed(report: dict[str, Any], folder: Path | None = None, encoding: str = "utf-8", terminal: bool = False) -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=100, force_terminal=terminal)
    verdict_panel(report, console, folder)
    console.file.flush()
    return raw.getvalue().decode(encoding)


def missed(budget_ms: float, met: bool = False) -> dict[str, Any]:
    report = small_report()
    report["verdict"] |= {"budget_ms": budget_ms, "budget_met": met}
    return report


def test_verdict_in_the_terminal(tmp_path):
    for name in ("model.onnx", "report.html", "unrelated.txt"):
        (tmp_path / name).touch()
    shown = printed(sample_report(), tmp_path)
    assert "\x1b" not in shown and "╭" not in shown  # not a terminal: neither colours nor a frame
    one_line = re.sub(r"\s+", " ", shown)
    for said in ("✓ mobilenet_v3_large, 192 px within the budget of 4 ms", "94.3 % 92.2–96.0 %", "96 % of 4 ms",
                 "369 images of the test split", "the same answer on all 369 images", "highest accuracy to expect",
                 "model.onnx report.html", "load 1.9"):  # fmt: skip
        assert said in one_line, said
    assert "unrelated.txt" not in shown and "model.safetensors" not in shown
    assert "\x1b[" in printed(sample_report(), terminal=True)


def test_a_missed_budget_is_said_first():
    assert printed(missed(3.0)).startswith("✕ mobilenet_v3_large, 192 px  over the budget of 3 ms by 28 %")


@pytest.mark.parametrize("budget_ms", [4.0, 3.85, 3.0, 0.01, 1000.0])
def test_bar_reaches_its_budget_only_when_it_is_missed(budget_ms):
    median = sample_report()["verdict"]["latency_ms"]
    bar = next(line for line in printed(missed(budget_ms, met=median < budget_ms)).splitlines() if "╋" in line)
    over = "━" in bar[bar.index("╋") :]
    assert over == (median > budget_ms) and "━" in bar


def test_terminal_without_unicode_and_with_hostile_names(tmp_path):
    report = sample_report()
    report["verdict"] |= {"model": "[red]größe[/red]\x1b[2J", "width": 0.5}
    shown = printed(report, encoding="ascii")
    assert "[red]gr??e[/red]?[2J x 0.5, 192 px" in shown and "\x1b" not in shown
    assert "[red]größe[/red]\ufffd[2J × 0.5" in printed(report)


def test_table():
    rows = [{"model": "[b]v2", "ms": 1.5, "top1": 0.5}, {"model": "größe\x1b[2J", "ms": math.nan, "top1": None}, {}]
    lines: list[str] = []
    for encoding in ("utf-8", "ascii"):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        made = table(rows, [("model", "model", ""), ("ms", "ms", ".2f"), ("top1", "top-1", text.percent)])
        Console(file=file, width=60).print(made)
        file.seek(0)
        lines += file.read().splitlines()
    assert re.fullmatch(r"model +ms +top-1", lines[0].strip())
    assert re.fullmatch(r"\[b\]v2 +1\.50 +50\.0 %", lines[2].strip())
    assert re.fullmatch("größe\ufffd" + r"\[2J +- +-", lines[3].strip())
    assert re.fullmatch(r"- +- +-", lines[4].strip())
    assert lines[2].index("1.50") + 4 == lines[3].index(" -") + 2  # numbers end in one column
    assert "gr??e?[2J" in lines[8]


def test_a_narrow_terminal_cuts_no_number():
    rows = [{"model": "mobilenet_v1_0.25_224", "macs": 41e6, "top1": 0.498}]
    file = io.StringIO()
    shown = [("model", "model", ""), ("macs", "multiply-adds", text.count), ("top1", "ImageNet top-1", text.percent)]
    console = Console(file=file, width=30)
    print_table(rows, shown, console)
    assert "41.0 M" in file.getvalue() and "49.8 %" in file.getvalue() and "ImageNet top-1" in file.getvalue()
    assert rows[0]["model"] in file.getvalue() and console.width == 30


def test_thousands_without_unicode():
    report = small_report()
    report["verdict"]["images"] = 1797
    assert "1 797 images" in printed(report, encoding="ascii")


def test_terminal_needs_neither_matplotlib_nor_jinja():
    program = "import sys, pocketvision.report.terminal; print({'matplotlib', 'jinja2', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

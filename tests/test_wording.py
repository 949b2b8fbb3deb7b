"""What people read: no Markdown in a terminal, no "1 classes", units beside numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conftest import ROOT
from pocketvision.data.findings import _classes
from pocketvision.report import words
from pocketvision.report.diagnosis import _summary
from pocketvision.report.page import readable_machine
from pocketvision.results import Result
from pocketvision.units import counted, percent

PACKAGE = ROOT / "src" / "pocketvision"
MARKDOWN = {"weights/card.py"}  # writes a README.md


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every string of a file that is no docstring."""
    tree = ast.parse(path.read_text())
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # documents what stands above it
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents | bare:
            yield node.lineno, node.value


def test_no_bare_backticks() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if str(path.relative_to(PACKAGE)) not in MARKDOWN]
    assert len(files) > 100
    said = [(f"{path.relative_to(PACKAGE)}:{line}", text) for path in files for line, text in strings(path)]
    assert [(where, text) for where, text in said if "`" in text] == []
    pages = list((PACKAGE / "report").glob("*.j2"))
    assert pages and not [page.name for page in pages if "`" in page.read_text()]


def test_no_plural_in_brackets() -> None:
    lines = [text for path in PACKAGE.rglob("*.py") for _, text in strings(path)]
    assert len(lines) > 1000 and [text for text in lines if re.search(r"[a-z]\(e?s\)", text)] == []


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 classes"), (1, "1 class"), (2, "2 classes"), (1200, "1,200 classes")]
)
def test_counted(number: int, said: str) -> None:
    assert counted(number, "class", "classes") == said
    assert counted(1, "image") == "1 image" and counted(3, "image") == "3 images"


def test_one_is_one() -> None:
    assert words.split_images({"images": 1, "split": "val"}) == "1 image of the val split"
    assert words.split_images({"images": 2}) == "2 images"
    check = {"images": 1, "top1_agreement": 1.0}
    assert "the same answer on the one image" in words.export(check).text
    looked = {"seconds": 1.0, "images_per_second": 1.0}
    assert _summary({"images": 1, "classes": ["a"], "sides": None, "looked": looked}).startswith("1 image in 1 class ·")


def test_bytes_and_clocks_of_the_machine_have_units() -> None:
    machine = {"cpu": "x", "caches": {"L1d": 32768, "L2": 1048576}, "memory": 2**34, "frequency": {"now": 2596.14}}
    said = readable_machine({**machine, "versions": {"torch": "2"}, "load": [0.123, 2, 1]})
    assert said["caches"] == "L1d 32 KiB, L2 1 MiB" and said["clock"] == "now 2596 MHz"
    assert said["memory"] == "16 GiB" and said["load"].startswith("0.12, ") and "libraries" not in said


def formats(path: Path) -> Iterator[tuple[str, str]]:
    """(where, format specification) of every value in an f-string."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}", ast.unparse(node.format_spec).strip("f'\"")


def test_percent_is_written_in_one_way() -> None:
    said = [(where, how) for path in PACKAGE.rglob("*.py") for where, how in formats(path)]
    assert len(said) > 100 and [where for where, how in said if how.endswith("%")] == []
    pages = [path.read_text() for path in (PACKAGE / "report").glob("*.html.j2")]
    assert pages and not [page for page in pages if re.search(r"\d%|}}%", re.sub(r'style="[^"]*"', "", page))]
    assert str(Result(np.array([0.875, 0.125], np.float32), ("a", "b"))) == "<Result a 87.5 %, b 12.5 %>"
    assert percent(0.99999) == "99.999 %" and percent(1.0) == "100.0 %" and percent(0.123, 0) == "12 %"


def test_no_plural_is_made_by_hand() -> None:
    """`thread{'s' * (n != 1)}` and its like: `units.counted` and `units.noun` are for that."""
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE / "report").glob("*.j2")]
    ways = r"""(?<=[{( ])['"]e?s['"] (\*|if)|\(['"]e?s['"] if"""
    found = [path.name for path in files if re.search(ways, path.read_text())]
    assert len(files) > 100 and found == []


def test_a_ratio_has_no_empty_decimals() -> None:
    seen: Any = SimpleNamespace(splits={"train": {"a": 1400, "b": 10}}, classes=("a", "b"), imbalance=140.0)
    assert "a has 140 times as many training images as b" in [text for _, text in _classes(seen)]

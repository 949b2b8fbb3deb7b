"""Which part may import which, and how long a file may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

from conftest import ROOT

PACKAGE = ROOT / "src" / "pocketvision"
FILES = sorted(PACKAGE.rglob("*.py"))

# The direction of imports, from the leaves up: each part, and the parts that it may import besides the leaves.
# `__init__.py` and `__main__.py` of the package itself are the outside of it all and stand apart.
LEAVES = {
    "arguments",
    "begun",
    "errors",
    "finite",
    "files",
    "journal",
    "lock",
    "progress",
    "units",
    "validation",
}  # anyone may import these; they import only each other

# What the jobs (fit, train and the other commands) are put together from, besides the models.
UNDER_FIT = {"spec", "results", "data", "calibration", "network", "weights", "training", "measure", "runtimes"}
UNDER_FIT |= {"scores", "loading", "evaluation", "exporting", "report", "runfolder"}

ALLOWED: dict[str, set[str]] = {
    "spec": set(),
    "results": set(),
    "calibration": set(),
    "scores": set(),
    "data": set(),
    "blocks": {"spec"},
    "heads": {"spec", "blocks"},
    "runtimes": {"results", "data", "calibration"},
    "network": {"spec", "results", "data", "calibration", "runtimes"},
    "weights": {"spec", "blocks", "heads", "data", "calibration", "network"},
    "measure": {"spec", "blocks", "data", "runtimes", "network"},
    "training": {"spec", "data", "network", "scores"},
    "loading": {"network", "runtimes", "weights"},
    "evaluation": {"data", "calibration", "network", "runtimes", "loading", "scores"},
    "exporting": {"data", "network", "runtimes", "measure"},
    "models": {"spec", "blocks", "heads", "network", "weights"},
    "guidelines": {"spec", "blocks", "heads", "models", "network", "runtimes", "measure"},
    "zoo": {"models", "network", "runtimes", "measure"},
    "report": set(),
    "runfolder": {"data", "training"},
    "fitting": UNDER_FIT | {"models"},
    "commands": UNDER_FIT | {"models", "fitting", "guidelines", "zoo"},
    "cli": {"commands"},
}

# An import that only the type checker sees (`if TYPE_CHECKING:`) may also name these: they are words, not machinery.
WORDS = {"spec", "network", "results"}

# Single imports against that direction, each with its reason.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("loading.py", "models"): "a folder of another library names a family, whose table is looked up, only then",
    ("network.py", "weights"): "save_pretrained and push_to_hub are methods, as in every library of the Hub",
    ("models/catalogue.py", "measure"): "the costs that the catalogue lists are counted on the built networks",
    ("measure/netfile.py", "weights"): "a network goes to the process that times it in PyTorch as its model file",
    ("spec.py", "models"): "files of earlier releases name their family in the network's name alone",
    ("spec.py", "blocks"): "the JSON decoder looks up blocks.ROWS, only while it reads a file",
    ("spec.py", "heads"): "the JSON decoder looks up heads.HEADS, only while it reads a file",
}

LONGEST = 400  # lines


def imported_parts(tree: ast.AST, package: str, typing_only: bool = False) -> Iterator[tuple[str, bool]]:
    """(part of pocketvision, whether only the type checker sees it) of every import, those inside functions too.

    `package` is what a relative import starts from.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imported_parts(ast.Module(node.body, []), package, typing_only=True)
            yield from imported_parts(ast.Module(node.orelse, []), package, typing_only)
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            top, _, rest = name.partition(".")
            if top == "pocketvision" and rest not in ("", "__version__"):
                yield rest.split(".")[0], typing_only
        yield from imported_parts(node, package, typing_only)


def imports_of(path: Path) -> list[tuple[str, bool]]:
    package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    return list(imported_parts(ast.parse(path.read_text()), package))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def may_import(part: str) -> set[str]:
    return LEAVES if part in LEAVES else ALLOWED.get(part, set()) | LEAVES


def is_outside(path: Path) -> bool:
    return path.parent == PACKAGE and path.name.startswith("__")


def test_imports_keep_their_direction() -> None:
    wrong = [
        f"{file} imports {other}"
        for path in FILES
        if not is_outside(path)
        for file, part in [(str(path.relative_to(PACKAGE)), part_of(path))]
        for other, typing_only in imports_of(path)
        if other not in may_import(part) | {part} | (WORDS if typing_only else set())
        and (file, other) not in EXCEPTIONS
    ]
    assert wrong == []


def test_every_part_has_its_line_in_the_table() -> None:
    assert {part_of(path) for path in FILES if not is_outside(path)} == set(ALLOWED) | LEAVES


def test_the_table_has_no_circle() -> None:
    assert list(TopologicalSorter(ALLOWED).static_order())  # raises CycleError, which names the circle


def test_every_exception_is_still_needed() -> None:
    for (file, other), reason in EXCEPTIONS.items():
        assert reason
        imported = {name for name, _ in imports_of(PACKAGE / file)}
        assert other in imported, f"{file} no longer imports {other}"


def test_the_reader_of_imports_sees_what_is_hidden() -> None:
    source = """
def f():
    import pocketvision.training.loop
    if f:
        from pocketvision import fitting

if TYPE_CHECKING:
    from pocketvision.spec import Row
else:
    from pocketvision.models import MODELS
    from ..heads import HEADS
    from . import ROWS
"""
    seen = set(imported_parts(ast.parse(source), "pocketvision.blocks"))
    hidden = {("training", False), ("fitting", False), ("spec", True), ("models", False)}
    assert seen == hidden | {("heads", False), ("blocks", False)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_source_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST

"""How a command's result reaches the terminal: a table for people, or one JSON document."""

from __future__ import annotations

import json as json_module
import sys
from typing import Any

from pocketvision.report import columns

PIPE_WIDTH = 160  # letters a line where no terminal sets a limit: tables keep their names in one piece


def command_line() -> str:
    import shlex

    return shlex.join(["pocketvision", *sys.argv[1:]])


def console() -> Any:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def print_json(document: Any) -> None:
    print(json_module.dumps(document, indent=1))


def show(rows: list[dict[str, Any]], shown: columns.Columns, json: bool = False, document: Any = None) -> None:
    """A table for people, or with `json` the document (the rows, unless another is given)."""
    if json:
        print_json(rows if document is None else document)
        return
    from pocketvision.report.terminal import table

    console().print(table(rows, shown))

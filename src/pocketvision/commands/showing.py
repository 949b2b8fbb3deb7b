"""How a command's result reaches the terminal: a table for people, or one JSON document."""

from __future__ import annotations

import json as json_module
import re
import sys
from typing import Any, TextIO

from pocketvision.report import columns

PIPE_WIDTH = 160  # letters a line where no terminal sets a limit: tables keep their names in one piece


def command_line() -> str:
    import shlex

    return shlex.join(["pocketvision", *sys.argv[1:]])


class Unpadded:
    """A file that leaves out the spaces with which a table fills its lines, for standard output that is no terminal."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> int:
        self.file.write(re.sub(r" +(?=\n|$)", "", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def console() -> Any:
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, file=Unpadded(sys.stdout), width=PIPE_WIDTH)  # type: ignore[arg-type]


def print_json(document: Any) -> None:
    print(json_module.dumps(document, indent=1))


def show(rows: list[dict[str, Any]], shown: columns.Columns, json: bool = False, document: Any = None) -> None:
    """A table for people, or with `json` the document (the rows, unless another is given)."""
    if json:
        print_json(rows if document is None else document)
        return
    from pocketvision.report.terminal import print_table

    print_table(rows, shown, console())

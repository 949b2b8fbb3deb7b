"""What `bench --zoo` does: the zoo timed, as a page, CSV, JSON, and in words."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketvision.commands.showing import command_line, console, print_json, show
from pocketvision.errors import InputError
from pocketvision.report import columns

if TYPE_CHECKING:
    from pocketvision.zoo.batch import Where

FOLDER = Path("runs/zoo")


def zoo(wanted: Sequence[str], where: Where, out: Path | None, json: bool) -> None:
    """Time the networks that are `wanted` (none: all), write zoo.html, zoo.csv and zoo.json, and show the front."""
    from pocketvision.files import write_atomic
    from pocketvision.report import zoo_page
    from pocketvision.zoo.run import zoo_report

    folder = FOLDER if out is None else out
    report = {"command": command_line(), **zoo_report(folder, where, wanted)}
    write_atomic(folder / "zoo.json", json_module.dumps(report, indent=1) + "\n")
    write_atomic(folder / "zoo.csv", zoo_page.csv_text(report))
    write_atomic(folder / "zoo.html", zoo_page.render(report))
    if json:
        return print_json(report)
    show([row for row in report["rows"] if row["pareto"]], columns.ZOO_FRONT)
    page, table = folder / "zoo.html", folder / "zoo.csv"
    for line in ["", *zoo_page.lines(report), f"page: {page}", f"table: {table}"]:
        console().print(line, markup=False, soft_wrap=True)


def one(text: str, what: str) -> str:
    """The only runtime, or number of threads, that was asked for. InputError for several."""
    asked = [part.strip() for part in text.split(",") if part.strip()]
    if len(asked) != 1 or asked == ["all"]:
        raise InputError(f"--{what} {text}: --zoo compares networks in one runtime on one number of threads: give one")
    return asked[0]


def refuse(given: Mapping[str, Any]) -> None:
    """InputError when one of the options has a value: `{"--width": 0.5, "--batch": None}`."""
    wrong = [option for option, value in given.items() if value is not None]
    if wrong:
        raise InputError(
            f"{', '.join(wrong)} cannot be joined with --zoo, whose networks have their own widths, resolutions and "
            "heads, one image a call: leave out what does not belong"
        )

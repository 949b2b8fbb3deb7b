"""The last lines of a run in the terminal: how to use what it made."""

from __future__ import annotations

from pathlib import Path

from pocketvision.commands.showing import console
from pocketvision.report.useit import TITLE, use_it


def show_use(file: str | Path, image: str | Path | None) -> None:
    """Print it, the lines in one piece however narrow the terminal is: they are there to be copied."""
    for line in ["", f"{TITLE}:", *(f"  {line}" for line in use_it(file, image))]:
        console().print(line, markup=False, soft_wrap=True)


def an_image(data: str) -> Path | None:
    """As `data.example.an_image`, of the data at `data`."""
    from pocketvision.data.example import an_image as of_dataset
    from pocketvision.data.sources import open_dataset

    return of_dataset(open_dataset(data))

"""The report of a run: one HTML file (`write_report`) and a short verdict for the terminal (`terminal.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pictures import Picture

__all__ = ["write_report"]


def write_report(report: dict[str, Any], path: str | Path, pictures: Mapping[str, Picture] | None = None) -> None:
    """Write `report` (the content of `report.json`) as one self-contained HTML page to `path`, atomically.

    `pictures` (name of an image: `report.pictures.Picture`) go into the page only, and only where the report names
    their image. The page needs no network and no JavaScript. Missing parts, None and NaN leave a dash or drop their
    section; the same dict always gives the same bytes. Needs jinja2 and matplotlib (`pocketvision[train]`).
    """
    from pocketvision.files import write_atomic

    from .page import render

    write_atomic(Path(path), render(report, pictures))

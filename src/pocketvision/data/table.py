"""Labels in a table: a CSV with the columns `path` and `label`, perhaps `group` and `split`; paths relative to it."""

import csv
import io
import os
import posixpath
from pathlib import Path
from typing import NamedTuple

from pocketvision.data.dataset import counted
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.tree import Tree
from pocketvision.errors import InputError


class Labelled(NamedTuple):
    """An image with the name of its class as the data spells it."""

    name: str  # posix path inside the data
    image: ImageFile
    label: str
    group: str = ""  # images of one group stay in one split; "": it stands alone
    split: str = ""  # as the table spells it; "": the table does not say


class Row(NamedTuple):
    """A line of the table, as it stands there."""

    line: int
    path: str
    label: str
    group: str
    split: str


def read_table(table: ImageFile, where: str, tree: Tree | None = None) -> list[Labelled]:
    """The rows of a CSV, sorted by path; a row that says the same again is dropped.

    `tree` holds the images when the CSV lies in an archive. The separator may be a comma, semicolon or tab. A column
    `group` says what belongs together (an empty cell: nothing), a column `split` what is train, val or test (in every
    row); other columns are ignored. Raises InputError when the table cannot be read, lacks a column, contradicts itself
    or names images that are not there.
    """
    found: dict[str, Labelled] = {}
    missing: list[str] = []
    for row in _rows(_text(table, where), where):
        _require_cells(row, where)
        item = _look_up(row, table, tree)
        if item is None:
            missing.append(row.path)
            continue
        first = found.setdefault(item.name, item)
        for what, here, before in (
            ("labelled", item.label, first.label),
            ("in group", item.group, first.group),
            ("in split", item.split, first.split),
        ):
            if here != before:
                raise InputError(
                    f"{where}, line {row.line}: {row.path} is {what} {here}, but {before} further up: keep one"
                )
    if missing:
        raise InputError(
            f"{where} names {counted(len(missing), 'image that is', 'images that are')} not there "
            f"(first: {missing[0]}): paths are relative to the folder of the CSV"
        )
    if not found:
        raise InputError(f"{where} has no rows below its header: add a row for each image")
    return [found[name] for name in sorted(found)]


def _text(table: ImageFile, where: str) -> str:
    try:
        return table.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text (byte {error.start:,}): save it as CSV in UTF-8") from error


def _rows(text: str, where: str) -> list[Row]:
    header = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{where}, line {reader.line_num}: not a CSV ({error}): save it again as CSV") from error
    columns = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if "path" not in columns or "label" not in columns:
        names = ", ".join(columns)[:200] or "none"
        raise InputError(f"{where} needs the columns path and label, found: {names}; name them in the first line")
    places = [columns.index(name) if name in columns else None for name in ("path", "label", "group", "split")]
    filled = [(line, row + [""] * len(columns)) for line, row in rows[1:]]
    found = [Row(line, *(("" if place is None else row[place].strip()) for place in places)) for line, row in filled]
    for row in found if "split" in columns else ():
        if row.path and not row.split:
            raise InputError(f"{where}, line {row.line}: the split is empty: write train, val or test")
    return found


def _require_cells(row: Row, where: str) -> None:
    if not row.path or not row.label:
        raise InputError(f"{where}, line {row.line}: the {'label' if row.path else 'path'} is empty: fill it in")


def _look_up(row: Row, table: ImageFile, tree: Tree | None) -> Labelled | None:
    for spelling in dict.fromkeys((row.path, row.path.replace("\\", "/"))):  # as written; then as written on Windows
        name = posixpath.normpath(spelling)
        if table.member:
            file = tree.files.get(name) if tree else None
        else:
            place = table.path.parent / name
            file = ImageFile(place) if place.is_file() else None
            if name.startswith("..") or os.path.isabs(name):  # two spellings, one image
                name = Path(os.path.relpath(place, table.path.parent)).as_posix()
        if file is not None:
            return Labelled(name, file, row.label, row.group, row.split)
    return None

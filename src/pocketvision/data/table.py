"""Labels in a table: a CSV with the columns `path` and `label`, paths relative to the CSV."""

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


def read_table(table: ImageFile, where: str, tree: Tree | None = None) -> list[Labelled]:
    """The rows of a CSV, sorted by path; a row that says the same again is dropped.

    `tree` holds the images when the CSV lies in an archive. The separator may be a comma, semicolon or tab; columns
    other than path and label are ignored. Raises InputError when the table cannot be read, lacks a column, contradicts
    itself or names images that are not there.
    """
    found: dict[str, Labelled] = {}
    missing: list[str] = []
    for line, path, label in _rows(_text(table, where), where):
        if not path or not label:
            raise InputError(f"{where}, line {line}: the {'label' if path else 'path'} is empty: fill it in")
        item = _look_up(path, label, table, tree)
        if item is None:
            missing.append(path)
        elif found.setdefault(item.name, item).label != label:
            raise InputError(
                f"{where}, line {line}: {path} is labelled {label}, but {found[item.name].label} further up: keep one"
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


def _rows(text: str, where: str) -> list[tuple[int, str, str]]:
    """(line number, path, label) of each row."""
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
    path, label = columns.index("path"), columns.index("label")
    filled = [(line, row + [""] * len(columns)) for line, row in rows[1:]]
    return [(line, row[path].strip(), row[label].strip()) for line, row in filled]


def _look_up(path: str, label: str, table: ImageFile, tree: Tree | None) -> Labelled | None:
    for spelling in dict.fromkeys((path, path.replace("\\", "/"))):  # as written; then as written on Windows
        name = posixpath.normpath(spelling)
        if table.member:
            file = tree.files.get(name) if tree else None
        else:
            place = table.path.parent / name
            file = ImageFile(place) if place.is_file() else None
            if name.startswith("..") or os.path.isabs(name):  # two spellings, one image
                name = Path(os.path.relpath(place, table.path.parent)).as_posix()
        if file is not None:
            return Labelled(name, file, label)
    return None

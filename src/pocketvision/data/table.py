"""Labels in a table: a CSV with the columns `path` and `label`, perhaps `group` and `split`; paths relative to it.

What may stand in place of the column `label`, `labelcells` says.
"""

import codecs
from typing import NamedTuple

from pocketvision.data.csvrows import read_rows
from pocketvision.data.dataset import Task
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.labelcells import RESERVED, read_labels
from pocketvision.data.names import composed
from pocketvision.data.tablepaths import advice, look_up
from pocketvision.data.tree import Tree
from pocketvision.errors import InputError
from pocketvision.units import counted


class Labelled(NamedTuple):
    """An image with the name of its class as the data spells it."""

    name: str  # posix path inside the data
    image: ImageFile
    label: str  # "" where an image may have several
    group: str = ""  # images of one group stay in one split; "": it stands alone
    split: str = ""  # as the table spells it; "": the table does not say
    several: tuple[str, ...] = ()  # in multi-label data: the names of all its classes

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes: one, or in multi-label data any number."""
        return (self.label,) if self.label else self.several


class Row(NamedTuple):
    """A line of the table, as it stands there."""

    line: int
    path: str
    label: str
    several: tuple[str, ...]
    group: str
    split: str


def read_table(table: ImageFile, where: str, tree: Tree | None = None, task: Task | None = None) -> list[Labelled]:
    """The rows of a CSV, sorted by path; a row that says the same again is dropped.

    `tree` holds the images when the CSV lies in an archive. The separator may be a comma, semicolon or tab. A column
    `group` says what belongs together (an empty cell: nothing), a column `split` what is train, val or test (in every
    row); other columns are ignored, if there is one of labels. `task` is what the labels are for, where that is known.
    Raises InputError when the table cannot be read, lacks a column, contradicts itself
    or names images that are not there.
    """
    found: dict[str, Labelled] = {}
    missing: list[str] = []
    for row in _rows(_text(table, where), task, where):
        place = look_up(row.path, table, tree)
        if place is None:
            missing.append(row.path)
            continue
        item = Labelled(*place, row.label, row.group, row.split, row.several)
        first = found.setdefault(item.name, item)
        for what, here, before in (
            ("labelled", "|".join(item.labels), "|".join(first.labels)),
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
            f"(first: {missing[0]}): {advice(missing[0], table, tree)}"
        )
    if not found:
        raise InputError(f"{where} has no rows below its header: add a row for each image")
    return [found[name] for name in sorted(found)]


def _text(table: ImageFile, where: str) -> str:
    """UTF-8, or UTF-16 that says so in its first two bytes: what spreadsheets call Unicode text."""
    data = table.read()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not UTF-8 text (byte {error.start:,}): save it as CSV in UTF-8") from error
    if "\0" in text:
        raise InputError(f"{where} is not UTF-8 text (byte {data.index(0):,} is zero): save it as CSV in UTF-8")
    return text


def _rows(text: str, task: Task | None, where: str) -> list[Row]:
    columns, rows, delimiter = read_rows(text, (*RESERVED, "label", "labels"), where)
    lower = [name.lower() for name in columns]
    if "path" not in lower:
        header = ", ".join(lower)[:200] or "none"
        raise InputError(f"{where} needs the columns path and label, found: {header}; name them in the first line")
    several, labels = read_labels(columns, rows, delimiter, task, where)
    places = {name: lower.index(name) for name in RESERVED if name in lower}
    found = []
    for (line, cells), names in zip(rows, labels, strict=True):
        said = {name: cells[place] for name, place in places.items()}
        empty = "path" if not said["path"] else "label" if not names and not several else ""
        if empty:
            raise InputError(f"{where}, line {line}: the {empty} is empty: fill it in")
        if said.get("split") == "":
            raise InputError(f"{where}, line {line}: the split is empty: write train, val or test")
        names = tuple(map(composed, names))
        one, many = ("" if several else names[0]), (names if several else ())
        found.append(Row(line, said["path"], one, many, composed(said.get("group", "")), said.get("split", "")))
    return found

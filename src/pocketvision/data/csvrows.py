"""The rows of a CSV with the line that each begins in, or one sentence on what is wrong with it.

Python's reader takes nearly anything: one stray quotation mark makes all rows up to the next mark, or to the end of the
file, into one cell. Labels are too dear for that; here such a mark is an error.
"""

import csv
import io
from collections.abc import Collection, Sequence
from typing import NamedTuple

from pocketvision.errors import InputError

UNQUOTE = "take it away, or write a mark that belongs to a cell twice and the cell in quotation marks"


class Rows(NamedTuple):
    """A table as it stands there, without empty lines."""

    columns: list[str]
    lines: list[tuple[int, list[str]]]  # number of the line in which a row begins, and its cells: one a column
    delimiter: str


def read_rows(text: str, used: Collection[str], where: str) -> Rows:
    """Header and rows; the separator (comma, semicolon or tab) is the one that the header has most of.

    `used` are the columns, in small letters, that somebody reads: when the header has none of them but `path`, all are.
    InputError for quotation marks that are not in pairs, for a line break in a cell that is used, and for a row with
    more cells than there are columns.
    """
    header = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    physical = list(io.StringIO(text, newline=""))
    reader = csv.reader(physical, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[tuple[int, list[str], str]] = []
    ended = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((ended + 1, cells, "".join(physical[ended : reader.line_num])))
            ended = reader.line_num
    except csv.Error as error:
        quoted = '"' in "".join(physical[ended : reader.line_num])
        advice = f"a quotation mark does not close as it should: {UNQUOTE}" if quoted else "save it again as CSV"
        raise InputError(f"{where}, line {ended + 1}: not a CSV ({error}): {advice}") from error
    columns = rows[0][1] if rows else []
    lower = [name.lower() for name in columns]
    read = [i for i, name in enumerate(lower) if name in used]
    if {lower[i] for i in read} <= {"path", "group", "split"}:  # each of the other columns is a class
        read = list(range(len(columns)))
    for line, cells, raw in rows[1:]:
        _require_whole(cells, raw, columns, read, delimiter, f"{where}, line {line}")
    width = len(columns)
    return Rows(columns, [(line, (cells + [""] * width)[:width]) for line, cells, _ in rows[1:]], delimiter)


def _require_whole(
    cells: Sequence[str], raw: str, columns: Sequence[str], read: Sequence[int], delimiter: str, where: str
) -> None:
    for place, cell in enumerate(cells):
        inner = cell.splitlines()
        swallowed = len(inner) > 1 and any(line.count(delimiter) == len(columns) - 1 for line in inner)
        if len(inner) > 1 and (place in read or swallowed):
            raise InputError(f"{where}: a quotation mark opens there and closes only {len(inner)} lines on: {UNQUOTE}")
        if place in read and cell.count('"') % 2 and raw.count('"') % 2:
            raise InputError(f"{where}: a stray quotation mark in {cell}: {UNQUOTE}")
    if any(cells[len(columns) :]):
        raise InputError(
            f"{where}: {len(cells)} cells in {len(columns)} columns: write a cell that holds a {_name(delimiter)} in "
            "quotation marks"
        )


def _name(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}[delimiter]

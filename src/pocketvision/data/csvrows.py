"""The rows of a CSV with the line that each begins in, or one sentence on what is wrong with it.

Python's reader takes nearly anything: one stray quotation mark makes all rows up to the next mark, or to the end of the
file, into one cell. Labels are too dear for that; here such a mark is an error.
"""

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from pocketvision.data.formats import IMAGE_SUFFIXES
from pocketvision.errors import InputError
from pocketvision.units import counted

UNQUOTE = "take it away, or write a mark that belongs to a cell twice and the cell in quotation marks"
FOREIGN_QUOTES = ("“”", "„“", "””", "‘’", "''", "«»", "»«")  # of word processors and of Python: no CSV's


class Rows(NamedTuple):
    """A table as it stands there, without empty lines."""

    columns: list[str]
    lines: list[tuple[int, list[str]]]  # number of the line in which a row begins, and its cells: one a column
    delimiter: str


class _Record(NamedTuple):
    line: int  # where it begins
    cells: list[str]
    physical: list[str]  # the lines that it is made of


def read_rows(text: str, used: Collection[str], where: str) -> Rows:
    """Header and rows; the separator (comma, semicolon or tab) is the one that the header has most of.

    `used` are the columns, in small letters, that somebody reads: when the header has none of them but `path`, all are.
    InputError for quotation marks that are not in pairs or take other rows into a cell, for a line break in a cell that
    is used or in the header, for a used column that is there twice, and for a row with more cells than columns.
    """
    header = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    records = _records(text, delimiter, where)
    if not records:
        return Rows([], [], delimiter)
    header_record = records.pop(0)
    columns = header_record.cells
    lower = [name.lower() for name in columns]
    read = [i for i, name in enumerate(lower) if name in used]
    if {lower[i] for i in read} <= {"path", "group", "split"}:  # each of the other columns is a class
        read = list(range(len(columns)))
    twice = next((columns[i] for i in read if columns[i] and lower.count(lower[i]) > 1), None)
    if twice is not None:
        raise InputError(f"{where} has {lower.count(twice.lower())} columns {twice}: keep one, or rename the others")
    place = lower.index("path") if "path" in lower else 0
    suffixes = {_suffix(record.cells[place]) for record in records if len(record.cells) > place} | IMAGE_SUFFIXES
    width = len(columns)
    for record in (header_record, *records):
        is_row = (_is_row(line, width, delimiter, place, suffixes) for line in record.physical)
        most = 0 if record is header_record else 1
        if wrong := _swallowed(record, sum(is_row) > most, width, delimiter) or _odd(record, columns, read, delimiter):
            raise InputError(f"{where}, line {record.line}: {wrong}")
    return Rows(columns, [(record.line, (record.cells + [""] * width)[:width]) for record in records], delimiter)


def _records(text: str, delimiter: str, where: str) -> list[_Record]:
    physical = list(io.StringIO(text, newline=""))
    reader = csv.reader(physical, delimiter=delimiter, skipinitialspace=True, strict=True)
    found: list[_Record] = []
    ended = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                found.append(_Record(ended + 1, cells, physical[ended : reader.line_num]))
            ended = reader.line_num
    except csv.Error as error:
        quoted = '"' in "".join(physical[ended : reader.line_num])
        advice = f"a quotation mark does not close as it should: {UNQUOTE}" if quoted else "save it again as CSV"
        raise InputError(f"{where}, line {ended + 1}: not a CSV ({error}): {advice}") from error
    return found


def _is_row(line: str, width: int, delimiter: str, path: int, suffixes: Collection[str]) -> bool:
    """Could one line of the file be a row, because it has an image's path where the table has it?"""
    cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
    suffix = _suffix(cells[path]) if path < len(cells) else None
    return suffix in suffixes and (suffix != "" or (len(cells) == width and cells[path] != ""))


def _swallowed(record: _Record, several: bool, width: int, delimiter: str) -> str:
    """What is wrong where a quotation mark makes `several` rows, or several cells, into one cell; else "".

    A note may well have line breaks, but then no two of its lines could be rows.
    """
    if len(record.physical) > 1:
        return _closes_late(record) if several else ""
    short = len(record.cells) < width == record.physical[0].count(delimiter) + 1
    taken = next((cell for cell in record.cells if short and delimiter in cell), None)
    return f"a quotation mark makes one cell of {taken}, and the row too short: {UNQUOTE}" if taken else ""


def _odd(record: _Record, columns: Sequence[str], read: Sequence[int], delimiter: str) -> str:
    """What else is wrong with a row; "" for nothing."""
    cells = record.cells
    for place, cell in enumerate(cells):
        if place not in read:
            continue
        if len(cell.splitlines()) > 1:
            return _closes_late(record)
        if cell.count('"') % 2 and "".join(record.physical).count('"') % 2:
            return f"a stray quotation mark in {cell}: {UNQUOTE}"
        if len(cell) > 2 and cell[0] + cell[-1] in FOREIGN_QUOTES:
            return f"{cell} has quotation marks that a CSV does not know: write {cell[1:-1].strip()} without them"
    if any(cells[len(columns) :]):
        return (
            f"{counted(len(cells), 'cell')} in {counted(len(columns), 'column')}: write a cell that holds a "
            f"{_name(delimiter)} in "
            "quotation marks"
        )
    return ""


def _closes_late(record: _Record) -> str:
    last = record.line + len(record.physical) - 1
    return f"a quotation mark opens there and closes only in line {last}: {UNQUOTE}"


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _name(delimiter: str) -> str:
    return {",": "comma", ";": "semicolon", "\t": "tab"}[delimiter]

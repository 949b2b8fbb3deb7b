"""What the cells of a table say about each image: one class, or several.

The rules, in this order:

1. A column `label` gives one name, whatever it holds, with one exception: several, when some cells are separated by `|`
   (or by `;`, where that does not separate columns) and every name in them also stands alone in another cell. When only
   some of those names do, we ask.
2. A column `labels` (plural) gives several names, separated in that way; an empty cell is an image that shows none of
   the classes. Names that seem to be separated in another way as well are asked about: by a sign of `OTHERS`, or a name
   that is put together from other names of the column, whatever stands between them (see `combinations`).
3. Without either, each column besides path, group and split is a class: 1 where the image shows it, 0 elsewhere.
"""

from collections.abc import Collection, Sequence

from pocketvision.data.combinations import AND, combined
from pocketvision.errors import InputError

Lines = Sequence[tuple[int, Sequence[str]]]  # line number and cells of each row
RESERVED = ("path", "group", "split")
# What people also write between names: not ours, but not to be overlooked. The first ones are hardly in a name.
COMMAS = (",", "，", "、", "､", "；", "｜")
OTHERS = (*COMMAS, ";", "/", "+", "&", "\t", " - ", " – ", *(f" {word} " for word in sorted(AND)))
BITS = {"0": False, "1": True, "0.0": False, "1.0": True}


def read_labels(
    columns: Sequence[str], rows: Lines, delimiter: str, task: str | None, where: str
) -> tuple[bool, list[tuple[str, ...]]]:
    """(whether an image may have several, the names of each row); `task` is what they are for, where that is known.

    Raises InputError for a table without labels, for cells that could mean one class or several, and when the task
    is "classify" and an image has not exactly one.
    """
    lower = [name.lower() for name in columns]
    if "label" in lower:
        place = lower.index("label")
        several, names = _one_or_several([(line, row[place]) for line, row in rows], delimiter, task, where)
    elif "labels" in lower:
        cells = [(line, row[lower.index("labels")]) for line, row in rows]
        several, names = True, _divided(cells, next(iter(_marks(cells, delimiter)), ""), delimiter, where)
    else:
        several, names = True, _from_columns(columns, rows, where)
    if task == "classify" and several:
        if wrong := next((line for (line, _), found in zip(rows, names, strict=True) if len(found) != 1), None):
            raise InputError(
                f"{where}, line {wrong}: the image has several classes or none, but the network gives one answer: "
                "keep one label for each image"
            )
        several = False
    return several or task == "multilabel", names


def _marks(cells: Sequence[tuple[int, str]], delimiter: str) -> list[str]:
    """The separators of names that occur, apart from the one of the columns."""
    return [mark for mark in "|;" if mark != delimiter and any(mark in cell for _, cell in cells)]


def _parts(cell: str, mark: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in cell.split(mark) if part.strip()))


def _one_or_several(
    cells: Sequence[tuple[int, str]], delimiter: str, task: str | None, where: str
) -> tuple[bool, list[tuple[str, ...]]]:
    single: list[tuple[str, ...]] = [(cell,) if cell else () for _, cell in cells]
    marks = [] if task == "classify" else _marks(cells, delimiter)
    for mark in marks:
        joined = [(line, cell) for line, cell in cells if mark in cell]
        alone = {cell for _, cell in cells if mark not in cell}
        known = [part in alone for _, cell in joined for part in _parts(cell, mark)]
        if task == "multilabel" or all(known):
            return True, _divided(cells, mark, delimiter, where)
        if any(known):
            raise _ask(*joined[0], mark, where)
    if task != "classify":
        unsure = combined((cell for _, cell in cells), words=False)
        for line, cell in cells:
            if cell in unsure:
                raise _ask(line, cell, unsure[cell], where)
    return False, single


def _ask(line: int, cell: str, sign: str, where: str) -> InputError:
    return InputError(
        f"{where}, line {line}: {cell} could be one class or several: call the column labels if it is several"
        f"{'' if sign in '|;' else ' and separate them by |'}, write the name without {sign.strip()} if it is one"
    )


def _divided(cells: Sequence[tuple[int, str]], mark: str, delimiter: str, where: str) -> list[tuple[str, ...]]:
    """The names in each cell, separated by `mark` ("": nothing was found that separates them).

    InputError where another sign seems to separate names too: both marks in one column, or a name that is put together
    from others.
    """
    found = [_parts(cell, mark or "|") for _, cell in cells]
    for other in _marks(cells, delimiter):
        if other != mark:
            (line, cell), (first, _) = (next(pair for pair in cells if sign in pair[1]) for sign in (other, mark))
            raise InputError(
                f"{where}, line {line}: names are separated by {other} in {cell}, by {mark} in line {first}: use one"
            )
    known = {name for names in found for name in names}
    unsure = combined(known) | {name: sign for name in known for sign in OTHERS if _divides(sign, name, known, mark)}
    for (line, _), names in zip(cells, found, strict=True):
        for name in names:
            if sign := unsure.get(name, ""):
                write = f"without {sign.strip()}" if sign.strip() else "with _ in place of the space"
                raise InputError(
                    f"{where}, line {line}: {name} could be one class or several: separate names by {mark or '|'}, "
                    f"write one {write}"
                )
    return found


def _divides(sign: str, name: str, known: Collection[str], mark: str) -> bool:
    """Does `sign` seem to stand between names in `name`? Where nothing else separates names, a comma always does."""
    parts = _parts(name, sign) if sign in name else ()
    return len(parts) > 1 and (any(part in known for part in parts) or (sign in COMMAS and not mark))


def _from_columns(columns: Sequence[str], rows: Lines, where: str) -> list[tuple[str, ...]]:
    places = [i for i, name in enumerate(columns) if name and name.lower() not in RESERVED]
    odd = {i: wrong for i in places if (wrong := next(((n, r[i]) for n, r in rows if r[i] not in BITS), None))}
    if not places or len(odd) == len(places):
        names = ", ".join(name.lower() for name in columns)[:200] or "none"
        raise InputError(f"{where} needs the columns path and label, found: {names}; name them in the first line")
    if odd:
        place, (line, cell) = next(iter(odd.items()))
        raise InputError(
            f"{where}, line {line}: {cell or 'nothing'} in the column {columns[place]}: without a column label, each "
            "is a class with 1 or 0 in every row; take others away"
        )
    return [tuple(columns[i] for i in places if BITS[row[i]]) for _, row in rows]

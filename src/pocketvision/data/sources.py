"""Opens a data set from whatever the user has: a folder, a CSV, a .tar or .zip of either, or a built-in name."""

import os
from collections.abc import Sequence
from pathlib import Path

from pocketvision.data.builtin import BUILTIN, builtin_path
from pocketvision.data.classes import lock, to_samples
from pocketvision.data.dataset import Dataset, Task
from pocketvision.data.formats import is_image
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.layout import ARRANGE, TABLE, Layout, from_table, recognise
from pocketvision.data.othertasks import described
from pocketvision.data.table import read_table
from pocketvision.data.tree import open_tree
from pocketvision.errors import InputError
from pocketvision.files import require_path_like
from pocketvision.validation import nearest

ARCHIVES = (".tar", ".zip")
COMPRESSED = (".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def open_dataset(
    data: str | Path, classes: Sequence[str] | None = None, download: bool = False, task: Task | None = None
) -> Dataset:
    """Open labelled images, without reading the images themselves.

    `data` is a folder with train/<class>/, val/<class>/ (or valid, validation) and test/<class>/; a folder of class
    folders; a CSV with the columns path and label; a .tar or .zip of one of these, read in place; or a built-in name.
    `classes` locks the class map, for instance to a model's own; else it is locked to the classes of the train split.
    `download` allows to fetch a built-in data set that is not on this machine. `task` is that of the network that the
    data are for; else the data say whether an image has one class or several (see `labelcells`).
    Raises InputError for data that cannot be read or understood, and for a class that is not in the class map.
    """
    require_path_like(data, "data")
    if _is_builtin(data):
        name = source = str(data)
        layout = _read(builtin_path(name, download), classes, task)
    else:
        require_data(data)
        path = Path(data).expanduser()
        name, source = _name(path), str(data)
        layout = _read(path, classes, task)
    if task == "multilabel" and layout.task != task:
        raise InputError(
            f"{source} gives each image one class, the network any number: give a CSV with the columns path and labels"
        )
    locked = lock(layout, classes, source)
    samples, reading = to_samples(layout, locked, bool(classes), source)
    return Dataset(name, source, locked, samples, layout.task, layout.unread, (*reading, *layout.notes))


def require_data(data: str | Path) -> None:
    """InputError, with the nearest name, for what is neither built in nor there; nothing is opened."""
    require_path_like(data, "data")
    if not _is_builtin(data):
        _require_path(Path(data).expanduser(), str(data))


def _is_builtin(data: str | Path) -> bool:
    """A string that is a built-in name means that; `./digits`, or a Path that exists, means the folder."""
    return str(data) in BUILTIN and (isinstance(data, str) or not data.exists())


def data_name(data: str | Path) -> str:
    """A short name for people: the folder's, or the file's without its suffix, however the path to it is written."""
    return str(data) if _is_builtin(data) else _name(Path(data).expanduser())


def is_there(data: str) -> bool:
    """Is DATA built in, or a path to something?"""
    return _is_builtin(data) or os.path.exists(os.path.expanduser(data))


def same_place(one: str, other: str) -> bool:
    """Do two ways to write DATA mean the same? `photos`, `./photos/`, a link to it, `photos/labels.csv`."""
    places = []
    for data in (one, other):
        path = os.path.realpath(os.path.expanduser(data))
        table = os.path.basename(path).lower() == TABLE
        places.append(data if _is_builtin(data) else os.path.dirname(path) if table else path)
    return places[0] == places[1]


def _name(path: Path) -> str:
    path = Path(os.path.abspath(path))
    return path.parent.name if path.name.lower() == TABLE else path.stem if path.is_file() else path.name


def _require_path(path: Path, source: str) -> None:
    try:
        there = source.strip() != "" and path.exists()
    except OSError as error:
        raise InputError(f"cannot open data {source}: {error.strerror}; check the path") from error
    if there:
        return
    near = nearest(path.name, [*BUILTIN, *_siblings(path)], alike=0.6)
    if near is None:
        raise InputError(f"data {source!r} not found: give a folder, a CSV, a .tar or .zip, or {', '.join(BUILTIN)}")
    meant = f"the built-in data {near}" if near in BUILTIN else str(path.with_name(near))
    raise InputError(f"data {source!r} not found: did you mean {meant}?")


def _siblings(path: Path) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(path.parent)) if not name.startswith(".")]
    except OSError:
        return []


def _read(path: Path, classes: Sequence[str] | None, task: Task | None) -> Layout:
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in ARCHIVES:
        return recognise(open_tree(path), classes, str(path), task)
    if suffix in (".csv", ".tsv"):
        return from_table(read_table(ImageFile(path), str(path), task=task), str(path))
    if suffix in COMPRESSED:
        raise InputError(
            f"cannot read {path} in place, because {suffix} is compressed as a whole: unpack it, or give a .tar or .zip"
        )
    if suffix in (".json", ".yaml", ".yml", ".xml", ".txt") and (what := described(path.name, ImageFile(path).read())):
        raise InputError(f"{path} holds {what}: learning from them is not there yet; for classes {ARRANGE}")
    if is_image(path.name, ImageFile(path)):
        raise InputError(f"{path} is one image: data is a folder of class folders, a CSV, a .tar or a .zip")
    raise InputError(f"cannot read {path} as data: give a folder of class folders, a CSV, a .tar or a .zip")

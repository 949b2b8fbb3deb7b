"""Where the images lie that the rows of a table name, and what to do about those that are not there."""

import os
import posixpath
from pathlib import Path

from pocketvision.data.imagefile import ImageFile
from pocketvision.data.names import composed, spellings
from pocketvision.data.tree import Tree


def look_up(path: str, table: ImageFile, tree: Tree | None) -> tuple[str, ImageFile] | None:
    """Name inside the data and place of the image that a row of `table` names; None where there is none.

    `tree` holds the images when the table lies in an archive.
    """
    for spelling in spellings(path):
        name = posixpath.normpath(spelling)
        if table.member:
            file = tree.files.get(name) if tree else None
        else:
            place = table.path.parent / name
            file = ImageFile(place) if os.path.isfile(place) else None  # False too for what is too long to be a name
            if name.startswith("..") or os.path.isabs(name):  # two spellings, one image
                name = Path(os.path.relpath(place, table.path.parent)).as_posix()
        if file is not None:
            return composed(name), file
    return None


def advice(path: str, table: ImageFile, tree: Tree | None) -> str:
    """What to do about a path of the table at which there is no image."""
    if "://" in path:
        return "addresses are not fetched: download the images and write their paths"
    if path.startswith("~"):
        return "write out what ~ stands for"
    folder, name = posixpath.split(posixpath.normpath(path.replace("\\", "/")))
    if table.member:
        names = tree.files if tree else ()
        beside = [posixpath.basename(other) for other in names if posixpath.dirname(other) == folder]
    else:
        place = os.path.join(table.path.parent, folder)
        beside = sorted(os.listdir(place)) if os.path.isdir(place) else []
    if not table.member and os.path.isdir(os.path.join(table.path.parent, folder, name)):
        return "that is a folder: write a row for each image in it"
    for other in beside:
        if name.casefold() in (other.casefold(), posixpath.splitext(other.casefold())[0]):
            return f"did you mean {posixpath.join(folder, other)}?"
    return "paths are relative to the folder of the CSV"

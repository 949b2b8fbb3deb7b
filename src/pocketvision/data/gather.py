"""The images that a person means: files as they are, and all that lie in a folder, .tar or .zip."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pocketvision.data.formats import is_image
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.sources import ARCHIVES
from pocketvision.data.tree import open_tree
from pocketvision.errors import InputError


def gather(paths: Iterable[Path]) -> list[ImageFile]:
    """Every image of `paths`, in their order; those of a folder or archive by name, at any depth.

    InputError for a folder or archive without images, and for one that cannot be opened. A file is taken as it is:
    whoever reads it says what is wrong with it.
    """
    found: list[ImageFile] = []
    for path in paths:
        if holds_images(path):
            inside = [file for name, file in open_tree(path).files.items() if is_image(name, file)]
            if not inside:
                raise InputError(f"there is no image in {path}: give image files, or a folder or archive of them")
            found += inside
        else:
            found.append(ImageFile(path))
    return found


def holds_images(path: Path) -> bool:
    """Is `path` a folder or an archive, not an image itself?"""
    return path.is_dir() or (path.suffix.lower() in ARCHIVES and path.is_file())

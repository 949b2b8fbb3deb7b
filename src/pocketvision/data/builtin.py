"""Data sets that come with a library: written once as ordinary class folders into a cache, and read like any folder."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pocketvision.errors import InputError
from pocketvision.files import writable_folder


def write_digits(folder: Path) -> None:
    """scikit-learn's `load_digits`: 1,797 real handwritten digits of 8 x 8 px, grey values 0..16 stretched to 0..255.

    From the UCI set "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998).
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("the data digits come with scikit-learn: pip install 'pocketvision[train]'") from error
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        place = folder / str(label)
        place.mkdir(exist_ok=True)
        Image.fromarray(image).save(place / f"{index:04}.png")


BUILTIN: dict[str, Callable[[Path], None]] = {"digits": write_digits}


def builtin_folder(name: str) -> Path:
    """The folder of a built-in data set, written at first use.

    Raises InputError when the cache folder cannot be written or the library that carries the images is not installed.
    """
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    workshop = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=writable_folder(cache_folder())))
    try:
        unfinished = workshop / name
        unfinished.mkdir()
        BUILTIN[name](unfinished)
        os.rename(unfinished, folder)  # all or nothing: a killed run leaves only a hidden folder that is never read
    except OSError as error:
        if not folder.is_dir():  # else another process was quicker, and its folder is as good
            raise InputError(f"cannot write the data {name} to {folder}: {error.strerror}; free the disk") from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return folder


def cache_folder() -> Path:
    """$POCKETVISION_CACHE, else ~/.cache/pocketvision."""
    chosen = os.environ.get("POCKETVISION_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "pocketvision"

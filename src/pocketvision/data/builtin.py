"""Data sets with a name of their own: written once into a cache as a folder or archive, and read like any other."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pocketvision.data.fashion_mnist import write_fashion_mnist
from pocketvision.errors import InputError
from pocketvision.files import writable_folder


def write_digits(folder: Path, download: bool) -> None:
    """scikit-learn's `load_digits`: 1,797 real handwritten digits of 8 x 8 px, grey values 0..16 stretched to 0..255.

    From the UCI set "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998).
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("the data digits come with scikit-learn: pip install 'pocketvision[train]'") from error
    folder.mkdir()
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for index, (image, label) in enumerate(zip(pixels, digits.target, strict=True)):
        place = folder / str(label)
        place.mkdir(exist_ok=True)
        Image.fromarray(image).save(place / f"{index:04}.png")


@dataclass(frozen=True)
class Builtin:
    """`write(path, download)` makes the data at `path`: a folder, or with a `suffix` an archive."""

    write: Callable[[Path, bool], None]
    suffix: str = ""


BUILTIN: dict[str, Builtin] = {
    "digits": Builtin(write_digits),
    "fashion-mnist": Builtin(write_fashion_mnist, ".zip"),
}


def builtin_path(name: str, download: bool = False) -> Path:
    """The folder or archive of a built-in data set, written at first use.

    Raises InputError when the cache folder cannot be written, or the images are not on this machine and may not be
    downloaded.
    """
    builtin = BUILTIN[name]
    path = cache_folder() / (name + builtin.suffix)
    if path.exists():
        return path
    workshop = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=writable_folder(cache_folder())))
    try:
        unfinished = workshop / path.name
        builtin.write(unfinished, download)
        os.rename(unfinished, path)  # all or nothing: a killed run leaves only a hidden folder that is never read
    except OSError as error:
        if not path.exists():  # else another process was quicker, and what it wrote is as good
            raise InputError(f"cannot write the data {name} to {path}: {error.strerror}; free the disk") from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return path


def cache_folder() -> Path:
    """$POCKETVISION_CACHE, else ~/.cache/pocketvision."""
    chosen = os.environ.get("POCKETVISION_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "pocketvision"

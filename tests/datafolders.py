"""Small data sets of real images on disk, and every way to pack them."""

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pocketvision.data.dataset import Dataset


def png(seed: int = 0) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What is seen of `colours` (H x W, or H x W x C) as far as `alpha` (H x W, 255: all) lets through, on white."""
    share = alpha.astype(float).reshape(*alpha.shape, *[1] * (colours.ndim - 2)) / 255
    return np.rint(colours * share + 255 * (1 - share))


def plant(root: Path, *names: str) -> Path:
    """Files below `root`: images, each different, or for a name that ends in a slash an empty folder."""
    root.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        place = root / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(index) if place.suffix in (".png", ".PNG") else b"something else")
    return root


def as_folder(folder: Path) -> Path:
    return folder


def as_tar(folder: Path) -> Path:
    path = folder.with_name("packed.tar")
    with tarfile.open(path, "w") as tar:
        tar.add(folder, folder.name)
    return path


def as_dotted_tar(folder: Path) -> Path:
    """Like `tar -C folder -cf packed.tar .`"""
    path = folder.with_name("packed.tar")
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(folder, ".")
    return path


def as_zip(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder.with_name("packed")), "zip", folder.parent, folder.name))


def as_flat_zip(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder.with_name("packed")), "zip", folder))


def as_windows_zip(folder: Path) -> Path:
    path = folder.with_name("packed.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.writestr(str(file.relative_to(folder.parent)).replace("/", "\\"), file.read_bytes())
    return path


PACKINGS = [as_folder, as_tar, as_dotted_tar, as_zip, as_flat_zip, as_windows_zip]
Packing = Callable[[Path], Path]


def names(dataset: Dataset) -> dict[str, list[tuple[str, str]]]:
    return {
        split_name: [(sample.name, dataset.classes[sample.label]) for sample in part]
        for split_name, part in dataset.splits.items()
    }

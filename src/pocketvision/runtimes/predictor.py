"""Images of any kind in, one Result each out, whatever the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import IOBase
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pocketvision.data.arrays import is_tensor
from pocketvision.data.dataset import Task
from pocketvision.data.gather import gather, holds_images
from pocketvision.data.image import ImageFile, Preprocessing, prepare
from pocketvision.data.reading import Skipped, read_each
from pocketvision.errors import InputError
from pocketvision.files import require_path_like
from pocketvision.results import Result
from pocketvision.runtimes import Runnable
from pocketvision.units import counted

AnyImage = str | Path | ImageFile | Image.Image | NDArray[Any] | bytes


def predict(
    runnable: Runnable, images: AnyImage | Iterable[AnyImage], batch: int = 32, skipped: Skipped | None = None
) -> list[Result]:
    """One Result for each image, in order: a path, PIL image, ImageFile, encoded bytes, array, or an iterable of them.

    Arrays are H x W or H x W x C, uint8 or floats from 0 to 1; N x H x W x C is N images. Tensors of PyTorch may have
    their channels first. The path of a folder, .tar or .zip is all images in it, at any depth. Images are read `batch`
    at a time. InputError for an image that cannot be read; with `skipped` it is left out, and noted there.
    """
    results: list[Result] = []

    def read(image: AnyImage) -> NDArray[np.uint8]:
        return prepare(image, runnable.preprocessing)

    for chunk in batches(_with_folders(_each(images)), batch):
        found = dict(enumerate(map(read, chunk))) if skipped is None else read_each(chunk, read, skipped)
        if not found:
            continue
        for index, probabilities in zip(found, runnable.run(np.stack(list(found.values()))), strict=True):
            image = chunk[index]
            results.append(Result(probabilities, runnable.classes, _name(image), runnable.threshold, runnable.task))
    return results


class Exported:
    """A network loaded from an exported file. It predicts like a Network, without PyTorch."""

    def __init__(self, runnable: Runnable) -> None:
        self.runnable = runnable

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the outputs."""
        return self.runnable.classes

    @property
    def task(self) -> Task:
        """One class for each image, or any number of them."""
        return self.runnable.task

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the input."""
        return self.runnable.preprocessing

    def predict(self, images: AnyImage | Iterable[AnyImage]) -> list[Result]:
        """One Result for each image; see `pocketvision.runtimes.predictor.predict`."""
        return predict(self.runnable, images)

    def __repr__(self) -> str:
        height, width = self.preprocessing.resolution
        classes = counted(len(self.classes), "class", "classes")
        return f"<Exported {height} x {width} px, {classes}, in {self.runnable.runtime}>"


def batches(images: Iterable[AnyImage], size: int) -> Iterator[list[AnyImage]]:
    """`images` in lists of `size`; the last may be shorter."""
    iterator = iter(images)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _each(images: Any) -> Iterable[AnyImage]:
    if isinstance(images, np.ndarray) or is_tensor(images):
        paths = isinstance(images, np.ndarray) and images.ndim == 1 and images.dtype.kind in "OU"
        return list(images) if images.ndim == 4 or paths else [images]
    if isinstance(images, bytes | bytearray | memoryview):
        return [bytes(images)]
    if isinstance(images, str | Path | ImageFile | Image.Image):
        return [images]
    if isinstance(images, Mapping | IOBase) or not isinstance(images, Iterable):
        raise InputError(
            f"cannot predict on {type(images).__name__}: give a path, PIL image or array, or a list of them"
        )
    return images


def _with_folders(images: Iterable[AnyImage]) -> Iterator[AnyImage]:
    """The same with the images of a folder or archive in the place of its path."""
    for image in images:
        if isinstance(image, str | Path):
            require_path_like(image, "image")  # "" would be the folder that the program runs in
        if isinstance(image, str | Path) and holds_images(Path(image)):
            yield from gather([Path(image)])
        else:
            yield image


def _name(image: AnyImage) -> str:
    if isinstance(image, ImageFile):
        return image.name
    return str(image) if isinstance(image, str | Path) else str(getattr(image, "filename", ""))

"""One image of the data, to try a network on."""

from __future__ import annotations

from pathlib import Path

from pocketvision.data.dataset import Dataset
from pocketvision.data.decode import decode
from pocketvision.errors import InputError


def an_image(dataset: Dataset) -> Path | None:
    """The first held-out image that is a file of its own and can be read; None in an archive."""
    splits = dataset.splits
    samples = next((splits[name] for name in ("test", "val", "train") if splits.get(name)), ())
    for image in (sample.image for sample in samples if sample.image.size < 0 and not sample.image.member):
        try:
            decode(image)
        except InputError:  # it was named when the data were examined
            continue
        return image.path
    return None

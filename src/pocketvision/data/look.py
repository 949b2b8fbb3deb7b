"""One look at every image of a data set: each is decoded once, and about a kilobyte of it is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pocketvision.data.dataset import Sample
from pocketvision.data.decode import Pixels, blaming
from pocketvision.data.image import ImageFile, decoded, preprocessing_for, resize_crop
from pocketvision.errors import InputError
from pocketvision.progress import Steps

THUMB = 16  # px; side of the thumbnails that near duplicates are recognised by
AT_ONCE = 256  # images whose larger views are in memory together
LONGEST = 1000  # times as long as wide: a network can only be shown such an image enlarged to gigabytes


@dataclass(frozen=True)
class Embedding:
    """What says how alike images are: `embed` turns N x side x side x 3 uint8 pixels into N x D numbers."""

    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    side: int  # px
    most: int  # so many images are embedded; of a larger data set, evenly spread ones
    name: str  # for people: "gradients and colours"


@dataclass(frozen=True, eq=False)
class Looks:
    """What was seen of the N readable images of a sequence; `kept` are their places in it."""

    kept: NDArray[np.intp]
    sides: NDArray[np.int32]  # N x 2: height and width in px, upright
    digests: NDArray[np.bytes_]  # of the decoded pixels: the same for the same picture in any lossless format
    thumbs: NDArray[np.uint8]  # N x THUMB x THUMB x 3: the whole picture, squeezed
    embedded: NDArray[np.intp]  # which of the N have a vector
    vectors: NDArray[np.float32]  # len(embedded) x D
    unreadable: dict[int, str]  # place in the sequence -> why it cannot be read

    @property
    def grey(self) -> NDArray[np.bool_]:
        """Which of the N show no colour, however they are stored."""
        return (self.thumbs == self.thumbs[..., :1]).all(axis=(1, 2, 3))


@dataclass(frozen=True, eq=False)
class _Look:
    sides: tuple[int, int]
    digest: bytes
    thumb: Pixels
    view: Pixels | None


def look_at(samples: Sequence[Sample], embedding: Embedding, show: bool = True) -> Looks:
    """Decode every image, on several cores; whatever cannot be decoded is noted with the reason."""
    step = max(1, -(-len(samples) // embedding.most))
    seen: list[_Look] = []
    kept: list[int] = []
    embedded: list[int] = []
    unreadable: dict[int, str] = {}
    vectors: list[NDArray[np.float32]] = []

    def one(place: int) -> _Look | str:
        return _look(samples[place].image, embedding.side if place % step == 0 else None)

    for start, chunk in _in_chunks(one, len(samples), show):
        views = []
        for place, look in enumerate(chunk, start):
            if isinstance(look, str):
                unreadable[place] = look
                continue
            if look.view is not None:
                embedded.append(len(seen))
                views.append(look.view)
            kept.append(place)
            seen.append(_Look(look.sides, look.digest, look.thumb, None))
        if views:
            vectors.append(embedding.embed(np.stack(views)))
    return Looks(
        kept=np.array(kept, np.intp),
        sides=np.array([look.sides for look in seen], np.int32).reshape(-1, 2),
        digests=np.array([look.digest for look in seen], "S32"),
        thumbs=np.array([look.thumb for look in seen], np.uint8).reshape(-1, THUMB, THUMB, 3),
        embedded=np.array(embedded, np.intp),
        vectors=np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32),
        unreadable=unreadable,
    )


def reason(error: InputError, image: ImageFile) -> str:
    """Why an image cannot be read, without its name: what lists many images names each of them itself."""
    return str(error).removeprefix(f"cannot read image {image.name}: ")


def _in_chunks(one: Callable[[int], _Look | str], images: int, show: bool) -> Iterator[tuple[int, list[_Look | str]]]:
    """(place of the first, results) of AT_ONCE images in turn, so that few wait in memory to be used."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool, Steps("examining images", images, show) as steps:
        for start in range(0, images, AT_ONCE):
            stop = min(start + AT_ONCE, images)
            yield start, list(pool.map(one, range(start, stop)))
            steps.done(stop)


def _look(image: ImageFile, side: int | None) -> _Look | str:
    try:
        pixels = decoded(image, 3)
        height, width = pixels.shape[:2]
        with blaming(image.name):
            if max(height, width) > LONGEST * min(height, width):
                raise ValueError(f"it is {width} x {height} px, too elongated to be shown to a network: crop it")
            thumb = np.asarray(Image.fromarray(pixels).resize((THUMB, THUMB), Image.Resampling.BOX))
            view = None if side is None else resize_crop(pixels, preprocessing_for((side, side)))
    except InputError as error:
        return reason(error, image)
    digest = hashlib.blake2b(f"{height} {width} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return _Look((height, width), digest.hexdigest().encode(), thumb, view)

"""Photographs for a report: small JPEGs inside the page, beside each what the network looked at."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from .text import printable

SIDE = 208  # px, the longer side
QUALITY = 78
BUDGET = 1_000_000  # bytes of all pictures together as they stand in the page


class Picture(NamedTuple):
    """Two JPEGs of the same size: the image as the network saw it, and the same in grey with the heat on it."""

    photo: bytes
    heat: bytes


def picture(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> Picture:
    """From uint8 H x W x C (C other than 3 is shown as grey) and h x w heat between 0 and 1."""
    grey = pixels.mean(axis=2)
    photo = pixels if pixels.shape[2] == 3 else np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)
    size = (pixels.shape[1], pixels.shape[0])
    smooth = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    colours = colormaps["inferno"](0.3 + 0.65 * smooth)[:, :, :3] * 255
    cover = 0.8 * smooth[:, :, None] ** 1.5  # what is lukewarm stays grey
    return Picture(_jpeg(photo), _jpeg((grey[:, :, None] * (1 - cover) + colours * cover).astype(np.uint8)))


def cards(
    entries: Iterable[Mapping[str, Any]], pictures: Mapping[str, Picture], spent: int = 0
) -> tuple[list[dict[str, Any]], int]:
    """`entries` with `photo` and `heat` as data: URIs, looked up by their `image`; and the bytes of the page now spent.

    An entry without a picture, or for whose picture there is no room left, keeps its words.
    """
    known = {printable(name): pair for name, pair in pictures.items()}
    found = []
    for entry in entries:
        card = dict(entry)
        if pair := known.get(str(entry.get("image"))):
            uris = {name: _uri(data) for name, data in pair._asdict().items()}
            size = sum(map(len, uris.values()))
            if spent + size <= BUDGET:
                card |= uris
                spent += size
        found.append(card)
    return found, spent


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()

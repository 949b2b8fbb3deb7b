"""A quick look at the images, headers only: how large they are, and whether they have colour."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from pocketvision.data.dataset import Sample
from pocketvision.data.decode import blaming
from pocketvision.errors import InputError
from pocketvision.progress import say
from pocketvision.units import counted

if TYPE_CHECKING:
    from pocketvision.weights import Weights

LOOKED_AT = 60


@dataclass(frozen=True)
class Survey:
    """`side`: median of the shorter side in pixels. `channels`: 1 when all pictures looked at are grey, else 3."""

    side: int
    channels: int


def survey(samples: Sequence[Sample]) -> Survey:
    """Look at up to 60 images spread over `samples`; InputError when none of them can be read."""
    sides, grey, unreadable = [], True, ""
    for sample in samples[:: max(1, len(samples) // LOOKED_AT)]:
        try:
            data = sample.image.read()
            with blaming(sample.image.name), Image.open(io.BytesIO(data)) as image:
                sides.append(min(image.size))
                grey = grey and image.mode in ("1", "L", "LA", "I;16")
        except InputError as error:
            unreadable = unreadable or str(error)
    if not sides:
        raise InputError(unreadable)
    return Survey(int(statistics.median(sides)), 1 if grey else 3)


def input_channels(looked: Survey, weights: Weights | None) -> int:
    """Channels of the network for these images: those of its `weights`, where the images can be shown so.

    Grey images are shown to a network for colours as they are; colours to one for grey without their colour, which is
    said. InputError for weights of any other number of channels: no picture becomes six channels.
    """
    if weights is None or weights.channels == looked.channels:
        return looked.channels
    if weights.channels not in (1, 3):
        raise InputError(
            f"{weights.source} was trained on {counted(weights.channels, 'channel')}, the images have "
            f"{looked.channels}: give "
            "weights of 1 or 3 channels, or train without"
        )
    if weights.channels == 1:
        say(f"{weights.name} was trained on grey images: these are seen without their colours")
    return weights.channels

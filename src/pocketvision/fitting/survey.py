"""A quick look at the images, headers only: how large they are, and whether they have colour."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from pocketvision.data.dataset import Sample
from pocketvision.errors import InputError

LOOKED_AT = 60


@dataclass(frozen=True)
class Survey:
    """`side`: median of the shorter side in pixels. `channels`: 1 when all pictures looked at are grey, else 3."""

    side: int
    channels: int


def survey(samples: Sequence[Sample]) -> Survey:
    """Look at up to 60 images spread over `samples`."""
    sides, grey = [], True
    for sample in samples[:: max(1, len(samples) // LOOKED_AT)]:
        try:
            with Image.open(io.BytesIO(sample.image.read())) as image:
                sides.append(min(image.size))
                grey = grey and image.mode in ("1", "L", "LA", "I;16")
        except (UnidentifiedImageError, OSError) as error:
            raise InputError(f"cannot read image {sample.image.name}: {error}") from None
    return Survey(int(statistics.median(sides)), 1 if grey else 3)

"""The images that networks are timed on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.image import Preprocessing


def random_pixels(preprocessing: Preprocessing, batch: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """`batch` x H x W x C uniform random pixels: ordinary inputs, which zeros are not."""
    shape = (batch, *preprocessing.resolution, preprocessing.channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

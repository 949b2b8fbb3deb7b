"""A quick embedding without a network: where edges point, and which colours lie where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.look import Embedding

SIDE = 32  # px
CELLS = 4  # along each side
BINS = 8  # directions of edges, over half a turn
COLOUR = 0.5  # weight of the colours against the edges


def edges_and_colours(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """N x S x S x 3 pixels -> N x 176 numbers, each row of length 1.

    Histograms of edge directions in 4 x 4 cells (after Dalal and Triggs, "Histograms of oriented gradients", 2005;
    here without overlapping blocks), and the mean colour of each cell.
    """
    count, side = len(images), images.shape[1]
    grey = images.astype(np.float32).mean(axis=3)
    down = np.zeros_like(grey)
    across = np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(down, across)
    turn = np.arctan2(down, across) % np.pi * (BINS / np.pi)  # 0 to BINS
    low = np.floor(turn)
    share = turn - low
    cell = np.arange(side) * CELLS // side
    place = ((np.arange(count)[:, None, None] * CELLS + cell[:, None]) * CELLS + cell) * BINS
    found = np.zeros(count * CELLS * CELLS * BINS)
    for up, part in ((0, 1 - share), (1, share)):  # between two directions, each gets its part
        bins = place + (low + up).astype(np.intp) % BINS
        found += np.bincount(bins.ravel(), (strength * part).ravel(), len(found))
    edges = np.sqrt(found).astype(np.float32).reshape(count, -1)
    blocks = images.reshape(count, CELLS, side // CELLS, CELLS, side // CELLS, 3).mean(axis=(2, 4), dtype=np.float32)
    colours = blocks.reshape(count, -1) / 255 - 0.5
    return unit(np.hstack([unit(edges), COLOUR * unit(colours)]))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1; rows of zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


EDGES_AND_COLOURS = Embedding(edges_and_colours, SIDE, 10_000, "edges and colours")

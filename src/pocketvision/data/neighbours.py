"""Labels that nearly all of an image's nearest neighbours contradict.

Meant to be believed: an image is only named when its neighbours agree with each other, and when both classes, the one
that it is labelled and the one that its neighbours say, are classes that neighbours recognise at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
AGREE = 0.9  # share of the neighbours that must say the same other class
RECOGNISED = 0.7  # share of a class's images whose neighbours say that class; below, neighbours know nothing about it
ROWS = 1024  # images compared with all others at once


@dataclass(frozen=True)
class Doubt:
    """The image at `place` is labelled otherwise than `share` of its nearest neighbours, which are all `says`."""

    place: int
    says: int
    share: float


def doubtful(vectors: NDArray[np.float32], labels: NDArray[np.intp], classes: int) -> tuple[list[Doubt], list[int]]:
    """N x D rows of length 1 with N labels -> doubts, the strongest first; and the classes that cannot be judged."""
    if len(vectors) <= NEIGHBOURS:
        return [], list(range(classes))
    near = nearest(vectors, NEIGHBOURS)
    votes = np.zeros((len(labels), classes), np.float32)
    for column in labels[near].T:
        votes[np.arange(len(labels)), column] += 1 / NEIGHBOURS
    says, share = votes.argmax(axis=1), votes.max(axis=1)
    right = np.bincount(labels[says == labels], minlength=classes)
    known = right >= RECOGNISED * np.maximum(1, np.bincount(labels, minlength=classes))
    found = np.flatnonzero((says != labels) & (share > AGREE - 1e-3) & known[labels] & known[says])
    doubts = [Doubt(int(place), int(says[place]), round(float(share[place]), 3)) for place in found]
    return sorted(doubts, key=lambda doubt: -doubt.share), np.flatnonzero(~known).tolist()


def nearest(vectors: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """N x count: for each row the places of those with the largest product, itself left out, in no order."""
    found = np.empty((len(vectors), count), np.intp)
    for start in range(0, len(vectors), ROWS):
        alike = vectors[start : start + ROWS] @ vectors.T
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -np.inf
        found[start : start + ROWS] = np.argpartition(alike, -count, axis=1)[:, -count:]
    return found

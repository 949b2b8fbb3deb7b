"""Deals images into parts that look alike, where some belong together: frames of one video, views of one object.

What must stay together is a bundle; a single image is a bundle of its own. Iterative stratification (Sechidis,
Tsoumakas, Vlahavas: On the stratification of multi-label data, 2011) on bundles: the rarest label first, each time to
the part that lacks most of it.
"""

import random
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.dataset import Sample
from pocketvision.data.duplicates import connected

Counts = NDArray[np.int64]  # bundles x labels: images


def bundles(samples: Sequence[Sample], together: Iterable[Collection[str]] = ()) -> list[list[int]]:
    """Indices of the samples that belong together, in the order of their first image; others each on their own.

    Images of one group belong together, and images whose names are in one set of `together`; so do all that are joined
    by both.
    """
    places = {key(sample): index for index, sample in enumerate(samples)}
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        if sample.group:
            groups.setdefault(sample.group, []).append(index)
    sets = [*groups.values(), *([places[name] for name in names if name in places] for names in together)]
    joined = connected((members[0], other) for members in sets for other in members[1:])
    alone = set(range(len(samples))).difference(*joined)
    return sorted([*joined, *([index] for index in alone)])


def key(sample: Sample) -> str:
    """The name that stands for a sample: its path inside the data."""
    return sample.name or sample.image.name


def count(samples: Sequence[Sample], parts: Sequence[Sequence[int]], labels: int) -> Counts:
    """How many images of each label each of `parts` (indices of samples) holds: parts x labels."""
    counts = np.zeros((len(parts), labels), np.int64)
    for row, part in enumerate(parts):
        for index in part:
            counts[row, list(samples[index].labels)] += 1
    return counts


def deal(counts: Counts, sizes: NDArray[np.int64], wanted: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """The part of each of B bundles: `counts` B x labels and `sizes` B are images, `wanted` parts x labels the aim.

    Large bundles are dealt first; equal ones in an order that `seed` shuffles.
    """
    shuffled = list(range(len(counts)))
    random.Random(str(seed)).shuffle(shuffled)
    order = np.array(shuffled, np.int64)
    order = order[np.argsort(-sizes[order], kind="stable")]
    lacking, room = wanted.copy(), wanted.sum(axis=1) / max(wanted.sum(), 1e-9) * sizes.sum()
    part = np.full(len(counts), -1)
    while len(order):
        left = counts[order].sum(axis=0)
        if left.any():
            rarest = int(np.where(left > 0, left, left.max() + 1).argmin())
            now = order[counts[order, rarest] > 0]
            now = now[np.argsort(-counts[now, rarest], kind="stable")]
        else:  # images without any label
            rarest, now = -1, order
        for bundle in now:
            need = lacking[:, rarest].round(6) if rarest >= 0 else np.zeros(len(lacking))
            best = int(np.lexsort((room, need))[-1])
            part[bundle] = best
            lacking[best] -= counts[bundle]
            room[best] -= sizes[bundle]
        order = order[part[order] < 0]
    return part


def hold_out(counts: Counts, sizes: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which bundles to hold out, so that each label loses about `fraction` of its images.

    A label with two bundles or more loses at least one, where that is possible without taking another label's last; one
    with a single bundle keeps it.
    """
    images, carriers = counts.sum(axis=0), (counts > 0).sum(axis=0)
    out = np.where(carriers > 1, np.clip(fraction * images, 1, np.maximum(images - 1, 1)), 0)
    held = deal(counts, sizes, np.stack([images - out, out]), seed) == 1
    for label in range(counts.shape[1]):
        having = np.flatnonzero(counts[:, label])
        having = having[np.argsort(sizes[having], kind="stable")]
        if len(having) and held[having].all():
            held[having[0]] = False
        if len(having) > 1 and not held[having].any():
            kept = counts[~held] > 0  # a label's last bundle to learn from stays
            spare = [bundle for bundle in having if (kept.sum(axis=0)[counts[bundle] > 0] > 1).all()]
            held[spare[:1]] = True
    return held

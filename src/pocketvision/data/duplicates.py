"""The same picture more than once: exact copies by their decoded pixels, near ones by their thumbnails.

Two thumbnails are compared as 8 x 8 colours after brightness and contrast are taken out of each, so a re-compressed, a
resized or a somewhat brighter copy lies close to its original. How close is close depends on the data: icons and digits
are all alike. A near duplicate is therefore an image several times closer than images of this data usually are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = 8
CLOSEST, FARTHEST = 0.05, 0.2  # distance of a near duplicate, of 2 for opposites: surely below; never above
CLOSER = 0.22  # ... and below this share of an image's usual distance to its 10th nearest
LEAST_CONTRAST = 4.0  # grey levels; flatter pictures look alike without being the same
MOST_IMAGES = 60_000  # that are searched; comparing each with each takes 25 times as long for 5 times as many
ROWS, MOST_PAIRS = 512, 50_000  # images compared with all others at once; candidates of these that are looked at


@dataclass(frozen=True)
class Group:
    """Places of images that show the same picture, in order."""

    members: tuple[int, ...]
    near: bool  # not the same pixels, but hardly different ones; of exact copies only the first is a member


def exact_groups(digests: NDArray[np.bytes_]) -> list[Group]:
    """Images whose decoded pixels are the same."""
    places: dict[bytes, list[int]] = {}
    for place, digest in enumerate(digests.tolist()):
        places.setdefault(digest, []).append(place)
    return [Group(tuple(group), near=False) for group in places.values() if len(group) > 1]


def near_groups(digests: NDArray[np.bytes_], thumbs: NDArray[np.uint8]) -> tuple[list[Group], int]:
    """Images that are hardly different, and among how many was searched.

    Exact copies count as one. Of more than MOST_IMAGES images, evenly spread ones are searched.
    """
    first = np.sort(np.unique(digests, return_index=True)[1])
    searched = first[:: max(1, -(-len(first) // MOST_IMAGES))]
    described, contrast = describe(thumbs[searched])
    chosen = searched[contrast >= LEAST_CONTRAST]
    described = described[contrast >= LEAST_CONTRAST]
    pairs = close_pairs(described, close_is(described))
    return [Group(tuple(chosen[group].tolist()), near=True) for group in connected(pairs)], len(searched)


def describe(thumbs: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """N x side x side x 3 -> N x 192 rows of length 1, and the contrast of each image in grey levels."""
    count, side = thumbs.shape[:2]
    cells = thumbs.reshape(count, GRID, side // GRID, GRID, side // GRID, 3).mean(axis=(2, 4), dtype=np.float32)
    cells -= cells.mean(axis=(1, 2), keepdims=True)
    rows = cells.reshape(count, GRID * GRID * 3)
    length = np.linalg.norm(rows, axis=1)
    return rows / np.maximum(length, 1e-6)[:, None], length / np.sqrt(rows.shape[1])


def close_is(described: NDArray[np.float32], looked_at: int = 1000) -> float:
    """The distance below which two images of this data are near duplicates."""
    if len(described) < 2:
        return CLOSEST
    some = described[:: max(1, len(described) // looked_at)]
    tenth = min(10, len(described) - 1)
    similar = some @ described.T
    usual = np.median(np.partition(similar, -1 - tenth, axis=1)[:, -1 - tenth])  # one of the ten + 1 is itself
    return float(np.clip(CLOSER * np.sqrt(max(0.0, 2 - 2 * usual)), CLOSEST, FARTHEST))


def close_pairs(described: NDArray[np.float32], closer_than: float) -> NDArray[np.intp]:
    """M x 2: pairs of rows (of length 1) at a smaller distance; where whole crowds are close, some pairs of them.

    First by the means over 2 x 2 cells: times 2 they are a projection, so nothing is farther apart there than it is.
    """
    count = len(described)
    coarse = 2 * described.reshape(count, GRID // 2, 2, GRID // 2, 2, 3).mean(axis=(2, 4)).reshape(
        count, GRID * GRID // 4 * 3
    )
    half, one = (coarse**2).sum(axis=1, keepdims=True) / 2, np.ones((count, 1), np.float32)
    left, right = np.hstack([coarse, -half, -one]), np.hstack([coarse, one, half])  # product: -distance^2 / 2
    found = []
    for start in range(0, count, ROWS):
        a, b = np.nonzero(left[start : start + ROWS] @ right[start:].T > -(closer_than**2) / 2 - 1e-5)
        pairs = np.stack([a, b], axis=1)[a < b] + start
        pairs = pairs[:: max(1, -(-len(pairs) // MOST_PAIRS))]
        distances = np.linalg.norm(described[pairs[:, 0]] - described[pairs[:, 1]], axis=1)
        found.append(pairs[distances < closer_than])
    return np.concatenate(found) if found else np.zeros((0, 2), np.intp)


def connected(pairs: Iterable[NDArray[np.intp] | tuple[int, int]]) -> list[list[int]]:
    """The groups that pairs join, each sorted, in the order of their first members."""
    leader: dict[int, int] = {}

    def lead(place: int) -> int:
        while (above := leader.setdefault(place, place)) != place:
            leader[place] = place = leader[above]
        return place

    for a, b in np.asarray(list(pairs)).tolist():
        low, high = sorted((lead(a), lead(b)))
        leader[high] = low
    groups: dict[int, list[int]] = {}
    for place in sorted(leader):
        groups.setdefault(lead(place), []).append(place)
    return list(groups.values())

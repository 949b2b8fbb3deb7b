"""Turns taken by workers: the interleaving of `latency.time_interleaved` where each call lives in another process."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TypeVar

from pocketvision.errors import InputError
from pocketvision.measure.latency import LEAST_ROUNDS, widest

Key = TypeVar("Key")
Turn = Callable[[], list[float]]  # seconds of each timed call


def take_turns(
    turns: Mapping[Key, Turn],
    rounds: int,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
    done: Callable[[int], object] = lambda number: None,
) -> tuple[dict[Key, list[list[float]]], dict[Key, str]]:
    """Rounds in which everyone has one turn, in a shuffled order that `seed` decides; only one runs at any time.

    Gives the seconds by key and round, and for each that failed on the way (InputError) its reason. `narrow` and
    `limit` as in `time_interleaved`. InputError for fewer than 6 rounds.
    """
    if rounds < LEAST_ROUNDS:
        raise InputError(f"{rounds} rounds are too few for a confidence interval: give at least {LEAST_ROUNDS}")
    shuffle = random.Random(seed).shuffle
    order = list(turns)
    taken: dict[Key, list[list[float]]] = {key: [] for key in turns}
    medians: dict[Key, list[float]] = {key: [] for key in turns}
    failed: dict[Key, str] = {}
    number, deadline = 0, time.monotonic() + limit
    while number < rounds or (narrow and time.monotonic() < deadline and _too_wide(medians, narrow)):
        shuffle(order)
        for key in list(order):
            try:
                seconds = turns[key]()
            except InputError as error:
                failed[key] = str(error)
                order.remove(key)
                del taken[key], medians[key]
                continue
            taken[key].append(seconds)
            medians[key].append(median(seconds))
        number += 1
        done(number)
    return taken, failed


def _too_wide(medians: Mapping[Key, list[float]], narrow: float) -> bool:
    return widest({str(number): taken for number, taken in enumerate(medians.values())}) > narrow

"""Turns taken by workers: the interleaving of `latency.time_interleaved` where each call lives in another process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pocketvision.errors import InputError
from pocketvision.measure.latency import LEAST_ROUNDS, Key, Turn, in_turn


def take_turns(
    turns: Mapping[Key, Turn],
    rounds: int,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
    done: Callable[[int], object] = lambda number: None,
) -> tuple[dict[Key, list[list[float]]], dict[Key, str]]:
    """The rounds of `in_turn`, with the reasons of those that failed as text. InputError for fewer than 6 rounds."""
    if rounds < LEAST_ROUNDS:
        raise InputError(f"{rounds} rounds are too few for a confidence interval: give at least {LEAST_ROUNDS}")
    taken, failed = in_turn(turns, rounds, narrow, limit, seed, done)
    return taken, {key: str(error) for key, error in failed.items()}

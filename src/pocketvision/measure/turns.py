"""Turns taken by workers: the interleaving of `latency.time_interleaved` where each call lives in another process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pocketvision.errors import InputError
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.latency import LEAST_ROUNDS, Key, Turn, in_turn
from pocketvision.units import counted


def take_turns(
    turns: Mapping[Key, Turn],
    rounds: int,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
    done: Callable[[int], object] = lambda number: None,
) -> tuple[dict[Key, list[list[TimedCall]]], dict[Key, str]]:
    """The rounds of `in_turn`, with the reasons of those that failed as text. InputError for fewer than 6 rounds."""
    if rounds < LEAST_ROUNDS:
        raise InputError(
            f"{counted(rounds, 'round is', 'rounds are')} too few for a confidence interval: give at least "
            f"{LEAST_ROUNDS}"
        )
    taken, failed = in_turn(turns, rounds, narrow, limit, seed, done)
    return taken, {key: str(error) for key, error in failed.items()}


class Asked(Protocol):
    """A worker that can be asked."""

    def ask(self, do: str, **request: Any) -> dict[str, Any]: ...


def worker_turn(worker: Asked, number: int) -> list[TimedCall]:
    """One turn of the network that `worker` has opened under `number`."""
    return calls_of(worker.ask("turn", id=number))


def calls_of(reply: Mapping[str, Any]) -> list[TimedCall]:
    """The timed calls in a worker's answer to `turn`, which come as JSON lists."""
    return [TimedCall(*call) for call in reply["calls"]]

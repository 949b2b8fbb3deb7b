"""How time is taken. Every statement about speed in this package comes from the rounds of `in_turn`: of calls in this
process by `take_rounds`, most of them summed up by `time_interleaved`, and of workers by `turns.take_turns`."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median, quantiles
from typing import Any, TypeVar

from pocketvision.errors import InputError
from pocketvision.measure.pin import pinned

CONFIDENCE = 0.95
LEAST_ROUNDS = 6  # below, no order statistics bound the median with 95 %: 2 * (1/2)^5 is 6 %
LEAST_REPETITIONS = 3
MOST_REPETITIONS = 1000

Call = Callable[[], object]
Key = TypeVar("Key")
Turn = Callable[[], list[float]]  # seconds of each timed call


@dataclass(frozen=True)
class Latency:
    """Wall time of one call, in ms, back to back with itself.

    `median_ms` is the median of the rounds' medians and `low_ms`..`high_ms` its 95 % confidence interval; 10 % of all
    timed calls took less than `p10_ms`, 10 % more than `p90_ms`.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    low_ms: float
    high_ms: float
    rounds: int
    calls: int  # timed ones, over all rounds

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def time_interleaved(
    calls: Mapping[str, Call],
    threads: int = 1,
    rounds: int = 15,
    seconds: float = 0.005,
    warmup: float = 0.05,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
) -> dict[str, Latency]:
    """Time all `calls` against each other on `threads` pinned CPUs; the answers are in the order of `calls`.

    The summary of what `take_rounds` measures, which see. InputError for fewer than 6 rounds.
    """
    if rounds < LEAST_ROUNDS:
        raise InputError(f"{rounds} rounds are too few for a confidence interval: give at least {LEAST_ROUNDS}")
    taken = take_rounds(calls, threads, rounds, seconds, warmup, narrow, limit, seed)
    return {name: summarise(turns) for name, turns in taken.items()}


def take_rounds(
    calls: Mapping[str, Call],
    threads: int = 1,
    rounds: int = 15,
    seconds: float = 0.005,
    warmup: float = 0.05,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
) -> dict[str, list[list[float]]]:
    """Seconds of each timed call, by name and round: `found[name][round][repetition]`, in the order of `calls`.

    Each call is warmed up for `warmup` seconds. Then come rounds; in each, every call has one turn, in a shuffled order
    that `seed` decides, so that a busy spell of the machine falls on all of them alike. A turn is one call that is not
    counted (it refills the caches after the previous turn), then as many as take `seconds`, at least 3, each timed by
    itself. The garbage collector is off.

    `narrow` asks for more rounds until every interval is narrower than this fraction of its median, or until `limit`
    seconds have passed since the first. The calls themselves must use `threads` threads: pinning does not make them,
    and pools that were started before keep their own CPUs.
    """
    with pinned(threads), no_garbage_collection():
        repetitions = {name: warm_up(call, warmup, seconds) for name, call in calls.items()}
        turns = {name: partial(one_turn, call, repetitions[name]) for name, call in calls.items()}
        taken, failed = in_turn(turns, rounds, narrow, limit, seed)
    for error in failed.values():
        raise error
    return taken


def in_turn(
    turns: Mapping[Key, Turn],
    rounds: int,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
    done: Callable[[int], object] = lambda number: None,
) -> tuple[dict[Key, list[list[float]]], dict[Key, InputError]]:
    """Rounds in which everyone has one turn, in a shuffled order that `seed` decides; only one runs at any time.

    Gives the seconds by key and round, and for each that failed on the way why: the others go on. `narrow` and `limit`
    as in `take_rounds`; `done` is told the number of rounds after each.
    """
    shuffle = random.Random(seed).shuffle
    order = list(turns)
    taken: dict[Key, list[list[float]]] = {key: [] for key in turns}
    medians: dict[Key, list[float]] = {key: [] for key in turns}
    failed: dict[Key, InputError] = {}
    number, deadline = 0, time.monotonic() + limit
    while number < rounds or (narrow and time.monotonic() < deadline and _widest(medians.values()) > narrow):
        shuffle(order)
        for key in list(order):
            try:
                seconds = turns[key]()
            except InputError as error:
                failed[key] = error
                order.remove(key)
                del taken[key], medians[key]
                continue
            taken[key].append(seconds)
            medians[key].append(median(seconds))
        number += 1
        done(number)
    return taken, failed


def summarise(rounds: Sequence[Sequence[float]]) -> Latency:
    """Seconds of each call, round by round -> Latency in ms."""
    medians = [median(taken) * 1e3 for taken in rounds]
    every = [seconds * 1e3 for taken in rounds for seconds in taken]
    tenths = quantiles(every, n=10, method="inclusive")
    low, high = median_interval(medians)
    return Latency(median(medians), tenths[0], tenths[-1], low, high, len(rounds), len(every))


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Confidence interval of the median from order statistics, without assuming any distribution.

    With x_1 <= ... <= x_n sorted, [x_k, x_(n+1-k)] covers the median with probability 1 - 2 P(B < k), where B is
    binomial with n trials of 1/2 (David & Nagaraja, Order Statistics, section 7.1). k is the largest number that keeps
    this at `confidence` or more; at 95 %, 1 for n = 6 and 4 for n = 15. For fewer values than any k suffices for (at
    95 %, 6) it is the whole range, which covers less.
    """
    ordered, n = sorted(values), len(values)
    k, missed = 0, 0.5**n  # missed = P(B <= k), what [x_(k+1), ...] leaves out on each side
    while 2 * missed <= 1 - confidence:
        k += 1
        missed += math.comb(n, k) * 0.5**n
    k = max(1, k)
    return ordered[k - 1], ordered[n - k]


def _widest(medians: Iterable[list[float]]) -> float:
    """The widest confidence interval, as a fraction of its median."""
    return max(
        ((high - low) / median(taken) for taken in medians for low, high in [median_interval(taken)]), default=0.0
    )


def warm_up(call: Call, warmup: float, seconds: float) -> int:
    """Run `call` until `warmup` seconds have passed; how many repetitions then fill a turn of `seconds`."""
    taken: list[float] = []
    end = time.perf_counter() + warmup
    while len(taken) < LEAST_REPETITIONS or time.perf_counter() < end:
        taken.append(_timed(call))
    usual = median(taken[len(taken) // 2 :])
    return min(MOST_REPETITIONS, max(LEAST_REPETITIONS, math.ceil(seconds / max(usual, 1e-9))))


def one_turn(call: Call, repetitions: int) -> list[float]:
    """Seconds of each of `repetitions` calls, after one that is not counted."""
    call()
    return [_timed(call) for _ in range(repetitions)]


def _timed(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """The garbage collector is off inside the block."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

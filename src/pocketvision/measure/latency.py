"""How time is taken. Every statement about speed in this package comes from the rounds of `in_turn`: of calls in this
process by `take_rounds`, most of them summed up by `time_interleaved`, and of workers by `turns.take_turns`. What other
programs on the machine add is left out or taken off (see `calls` and `quiet`)."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from statistics import median
from typing import Any, TypeVar

from pocketvision.errors import InputError
from pocketvision.measure.calls import Call, CallTimer, TimedCall
from pocketvision.measure.pin import pinned
from pocketvision.measure.quiet import (
    LOW_END,
    RESOLUTION,
    Rounds,
    are_clear,
    busy_seconds,
    disturbed_share,
    is_clear,
    quantile,
    quantile_interval,
    turn_seconds,
)
from pocketvision.units import counted

CONFIDENCE = 0.95
LEAST_ROUNDS = 6  # below, no order statistics bound the median with 95 %: 2 * (1/2)^5 is 6 %
LEAST_REPETITIONS = 3
MOST_REPETITIONS = 1000
RELIABLE = 1.25  # between the bounds of the quiet latency, as a factor: what lies further apart is no figure

Key = TypeVar("Key")
Turn = Callable[[], list[TimedCall]]


@dataclass(frozen=True)
class Latency:
    """How long one call takes, in ms, back to back with itself, when other programs leave it the CPU.

    A call counts if its threads have run all the time since its turn began. `median_ms` is the median of the rounds'
    medians of such calls and `low_ms`..`high_ms` its 95 % confidence interval; 10 % of them took less than `p10_ms`,
    10 % more than `p90_ms`. Where they are not half of all, in 6 rounds or more, those count that did not wait
    themselves, or where these are few, all, less the time that their thread waited for a CPU; and `median_ms` is the
    low end of these times (the tenth percentile, with its 95 % interval): waiting leaves cold caches behind, which only
    adds.

    `wall_ms` is the median wall time of all timed calls, what a user sees on the machine as busy as it was;
    `disturbed` the share of the timed calls that waited, 0 to 1, and None where the system does not tell (Windows).
    The quiet latency lies between `least_ms` and `most_ms`. Where enough calls count as they are this is `low_ms` ..
    `high_ms`; else `low_ms` .. the median of the times that count; and where several threads work at once, so that
    nobody knows what their waiting cost, the least that any call can have taken .. `wall_ms`. What is not given is as
    of calls that nothing disturbed.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    low_ms: float
    high_ms: float
    rounds: int
    calls: int  # timed ones, over all rounds
    wall_ms: float = math.nan
    disturbed: float | None = 0.0
    least_ms: float = math.nan
    most_ms: float = math.nan

    def __post_init__(self) -> None:
        usual = {"wall_ms": self.median_ms, "least_ms": self.low_ms, "most_ms": self.high_ms}
        for name, value in usual.items():
            if math.isnan(getattr(self, name)):
                object.__setattr__(self, name, value)

    @property
    def reliable(self) -> bool:
        """Whether the quiet latency is known well enough to be called measured: its bounds lie within 25 %."""
        return self.most_ms <= RELIABLE * self.least_ms

    def to_json(self) -> dict[str, Any]:
        """The fields and `reliable` as JSON values."""
        return {**asdict(self), "reliable": self.reliable}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Latency:
        """What `to_json` or `dataclasses.asdict` wrote, now or in an older version."""
        return cls(**{name: found[name] for name in cls.__dataclass_fields__ if name in found})


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
        raise InputError(
            f"{counted(rounds, 'round is', 'rounds are')} too few for a confidence interval: give at least "
            f"{LEAST_ROUNDS}"
        )
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
) -> dict[str, list[list[TimedCall]]]:
    """Each timed call, by name and round: `found[name][round][repetition]`, in the order of `calls`.

    Each call is warmed up for `warmup` seconds. Then come rounds; in each, every call has one turn, in a shuffled order
    that `seed` decides, so that a busy spell of the machine falls on all of them alike. A turn is one call that is not
    counted (it refills the caches after the previous turn), then as many as take `seconds`, at least 3, each timed by
    itself. The garbage collector is off.

    `narrow` asks for more rounds until every interval is narrower than this fraction of its median, or until `limit`
    seconds have passed since the first. The calls themselves must use `threads` threads: pinning does not make them,
    and pools that were started before keep their own CPUs.
    """
    with pinned(threads), no_garbage_collection():
        timers = {name: CallTimer(threads) for name in calls}
        repetitions = {name: warm_up(call, warmup, seconds, timers[name]) for name, call in calls.items()}
        turns = {name: partial(one_turn, call, repetitions[name], timers[name]) for name, call in calls.items()}
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
) -> tuple[dict[Key, list[list[TimedCall]]], dict[Key, InputError]]:
    """Rounds in which everyone has one turn, in a shuffled order that `seed` decides; only one runs at any time.

    Gives the calls by key and round, and for each that failed on the way why: the others go on. `narrow` and `limit`
    as in `take_rounds`; `done` is told the number of rounds after each.
    """
    shuffle = random.Random(seed).shuffle
    order = list(turns)
    taken: dict[Key, list[list[TimedCall]]] = {key: [] for key in turns}
    medians: dict[Key, list[float]] = {key: [] for key in turns}
    failed: dict[Key, InputError] = {}
    number, deadline = 0, time.monotonic() + limit
    while number < rounds or (narrow and time.monotonic() < deadline and _widest(medians.values()) > narrow):
        shuffle(order)
        for key in list(order):
            try:
                calls = turns[key]()
            except InputError as error:
                failed[key] = error
                order.remove(key)
                del taken[key], medians[key]
                continue
            taken[key].append(calls)
            medians[key].append(turn_seconds(calls))
        number += 1
        done(number)
    return taken, failed


def summarise(rounds: Rounds) -> Latency:
    """Timed calls, round by round -> Latency in ms."""
    every = list(chain.from_iterable(rounds))
    clear = [each for turn in rounds if (each := [call.wall for call in turn if is_clear(call)])]
    share, wall = disturbed_share(every), median(call.wall for call in every)
    if are_clear(every) and len(clear) >= min(LEAST_ROUNDS, len(rounds)):
        times = list(chain.from_iterable(clear))
        medians = [median(taken) for taken in clear]
        middle, (low, high) = median(medians), median_interval(medians)
        least, most = (low if share is not None else min(times)), high
    else:
        times = busy_seconds(every)
        middle, (low, high) = quantile(times, LOW_END), quantile_interval(times, LOW_END, CONFIDENCE)
        serial = all(call.serial for call in every)
        least = low if serial else max(RESOLUTION, min(call.least for call in every))
        most = max(high, median(times) if serial else wall)
    tenths = quantile(times, 0.1), quantile(times, 0.9)
    figures = [seconds * 1e3 for seconds in (middle, *tenths, low, high, wall, least, most)]
    middle, p10, p90, low, high, wall, least, most = figures
    return Latency(middle, p10, p90, low, high, len(rounds), len(every), wall, share, least, most)


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


def warm_up(call: Call, warmup: float, seconds: float, timer: CallTimer) -> int:
    """Run `call` until `warmup` seconds have passed; how many repetitions then fill a turn of `seconds`.

    The timer learns which threads do the work.
    """
    taken: list[TimedCall] = []
    end = time.perf_counter() + warmup
    with timer.turn(first=True):
        own = timer.own_seconds()
        while len(taken) < LEAST_REPETITIONS or time.perf_counter() < end:
            taken.append(timer.time(call))
        timer.settle(sum(call.wall for call in taken), timer.own_seconds() - own)
    usual = turn_seconds(taken[len(taken) // 2 :])
    return min(MOST_REPETITIONS, max(LEAST_REPETITIONS, math.ceil(seconds / max(usual, 1e-9))))


def one_turn(call: Call, repetitions: int, timer: CallTimer) -> list[TimedCall]:
    """Each of `repetitions` calls, after one that is not counted."""
    with timer.turn():
        call()
        return [timer.time(call) for _ in range(repetitions)]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """The garbage collector is off inside the block. What is old waits: with PyTorch a full collection takes 0.25 s."""
    was_on = gc.isenabled()
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()

"""How many threads PyTorch trains with on a CPU: measured before the first epoch, and again when the speed changes.

On a quiet machine all cores are fastest. On one that does other work, threads that wait for each other by spinning take
the cores from those that they wait for: two threads may then do a tenth of what one does. What that costs:
`experiments/threads`. A sum over several threads is rounded otherwise than one over another number of them, so that a
run that is taken up again keeps the number that it was saved with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from pocketvision.units import counted

NEARLY = 0.95  # of the best speed: fewer threads that reach it are taken
CHANGED = 2.0  # a speed that has fallen or risen by this factor is measured again with each number of threads
WINDOW, TRIAL = 3.0, 1.0  # seconds over which a speed is looked at; and that each number of threads is tried for
LEAST_STEPS = 3
AGAIN = 120.0  # seconds after which more threads are tried again where fewer were faster: the machine may be quiet now


def thread_counts(most: int) -> list[int]:
    """One, half of `most`, and `most`."""
    return sorted({1, max(1, most // 2), most})


@contextmanager
def restored_threads() -> Iterator[None]:
    """Afterwards PyTorch has as many threads as before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        use_threads(before)


def use_threads(count: int) -> None:
    """Set only when it differs."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def compare_threads(train: Callable[[], int], counts: list[int], seconds: float) -> dict[int, float]:
    """Images per second with each number of threads, `train` being called for about `seconds` each.

    `train` gives the number of images that it worked on. From few threads to many; the best are in use afterwards.
    """
    rates: dict[int, float] = {}
    for count in counts:
        use_threads(count)
        train()  # the first one allocates
        began, done = time.monotonic(), 0
        while not done or time.monotonic() - began < seconds:
            done += train()
        rates[count] = done / max(time.monotonic() - began, 1e-9)
    use_threads(best_count(rates))
    return rates


def best_count(rates: Mapping[int, float]) -> int:
    """The fewest threads whose speed is nearly the best."""
    most = max(rates.values())
    return min(count for count, rate in rates.items() if rate >= NEARLY * most)


def explain(rates: Mapping[int, float]) -> str:
    """`training with 1 thread: 144 images/s, 2 threads 12 (other programs keep the cores busy)`."""
    chosen = best_count(rates)
    others = ", ".join(f"{_named(count)} {rate:.3g}" for count, rate in rates.items() if count != chosen)
    why = "" if chosen == max(rates) else " (more wait for each other: a small network, or cores that are busy)"
    return f"training with {_named(chosen)}: {rates[chosen]:.3g} images/s, {others}{why}"


def _named(count: int) -> str:
    return counted(count, "thread")


class ThreadWatch:
    """Watches the speed of a run, and tries each number of threads on its own steps when that has changed much."""

    def __init__(self, counts: list[int], rate: float | None, tell: Callable[[str], None]) -> None:
        self.counts, self.rate, self.tell = counts, rate, tell
        self.trial: list[int] = []
        self.rates: dict[int, float] = {}
        self.since = 0.0  # seconds since the number was chosen
        self.before = 0  # threads before a trial
        self._restart()

    def _restart(self) -> None:
        self.seconds = self.work = 0.0
        self.steps = 0

    def step(self, seconds: float, work: float) -> None:
        """A step took `seconds` for `work` images (at full resolution: smaller ones count for less)."""
        if len(self.counts) < 2:
            return
        self.steps += 1
        if self.trial and self.steps == 1:
            return  # the first one with another number allocates
        self.seconds, self.work = self.seconds + seconds, self.work + work
        if self.trial:
            if self.seconds >= TRIAL:
                self._tried()
        elif self.seconds >= WINDOW and self.steps >= LEAST_STEPS:
            now = self.work / self.seconds
            self.since += self.seconds
            self._restart()
            self.rate = self.rate or now
            fewer = torch.get_num_threads() < max(self.counts)
            if not self.rate / CHANGED <= now <= self.rate * CHANGED or (fewer and self.since >= AGAIN):
                self.before, self.rates, self.trial = torch.get_num_threads(), {}, list(self.counts)
                use_threads(self.trial[0])

    def _tried(self) -> None:
        self.rates[self.trial.pop(0)] = self.work / self.seconds
        self._restart()
        if self.trial:
            use_threads(self.trial[0])
            return
        chosen = best_count(self.rates)
        use_threads(chosen)
        if chosen != self.before:
            self.tell(f"the speed has changed: {explain(self.rates)}")
        self.rate, self.since = self.rates[chosen], 0.0

"""One timed call: its wall time, and how long the system kept its threads from running meanwhile.

Where other programs want the CPU too, a thread is taken off it (preempted) and waits in the run queue. That time is not
the network's, and afterwards the caches hold the others' data. Linux tells the nanoseconds that each thread has waited
in the run queue in its `schedstat` (kernel documentation, scheduler/sched-stats.rst). Where there is no such file, the
thread's CPU clock tells it, unless the thread slept by itself in the call; on macOS the voluntary context switches of
the process tell that. Windows counts the CPU time of a thread in ticks of 16 ms, which says nothing of a call.
What a hypervisor takes is in the wall time: the run queue does not know of it.

On Linux the CPU clock is not read call by call: reading it makes the scheduler look whether the thread's share is used
up, and preempts it after 1.4 ms instead of at the next tick (4 ms), so that small networks would never run warm.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pocketvision.measure.priority import CALLER, highest_priority

OWN_SHARE = 0.9  # of a call's time that the calling thread must account for, if it is to be the one that works
LEAST_WAIT = 5e-6  # s: what reading the clocks takes, and waking up
COOLING_WAIT = 1e-4  # s in which another program has changed what the caches hold
TASKS, OWN, STATISTICS = "/proc/self/task", "/proc/thread-self", "schedstat"

Call = Callable[[], object]


class TimedCall(NamedTuple):
    """Seconds of one call.

    `wall`: by the wall clock. `waited`: how long threads of the process that could run did not get a CPU (summed over
    the threads); None where the system does not tell. `serial`: at any time one thread works at most, so that
    `wall - waited` is what the call takes while it runs; with several at once it is a lower bound of that. `after`: how
    long the thread had run, when the call began, since it last waited; infinite if it did not in this turn.
    """

    wall: float
    waited: float | None = 0.0
    serial: bool = True
    after: float = math.inf

    @property
    def least(self) -> float:
        """What it took at least while its threads ran; all of it where the system does not tell."""
        return max(0.0, self.wall - (self.waited or 0.0))


class CallTimer:
    """Times calls, which are said to use `threads` threads.

    With one, the caller usually does the work itself and only its own statistics are read. `settle` finds out where
    another thread does it (an engine's pool); then, as with several threads, those of all threads of the process are.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self.whole_process = threads != 1
        self._files: list[int] = []
        self._after = math.inf

    @contextmanager
    def turn(self, first: bool = False) -> Iterator[None]:
        """Inside the block calls can be timed, all from one thread. Engines start their threads before or after it.

        Others who want this CPU get it first: their turn then does not fall into ours as soon. Where that is allowed,
        the threads then go before all others (`priority`); not in the `first` turn, in which an engine may start
        threads that would keep this priority.
        """
        paths, tasks = [OWN], [CALLER]
        if self.whole_process and os.path.isdir(TASKS):
            tasks = [int(task) for task in os.listdir(TASKS)]
            paths = [f"{TASKS}/{task}" for task in tasks]
        self._files = [file for path in paths if (file := _open(f"{path}/{STATISTICS}")) is not None]
        self._after = math.inf
        try:
            with highest_priority(() if first else tasks):
                if hasattr(os, "sched_yield"):
                    delay = self._delay()
                    os.sched_yield()
                    self._after = 0.0 if self._delay() - delay > COOLING_WAIT else math.inf
                yield
        finally:
            for file in self._files:
                os.close(file)
            self._files = []

    def time(self, call: Call) -> TimedCall:
        """Make the call once."""
        began, delay = time.perf_counter(), self._delay()
        slept, cpu = _voluntary_switches(), self._cpu_clock()
        start = time.perf_counter()
        call()
        wall = time.perf_counter() - start
        waited: float | None
        if self._files:
            delayed = self._delay() - delay
            waited = max(0.0, delayed - (time.perf_counter() - began - wall))  # waiting around the call is not its own
            if self.threads == 1:  # two threads that hand over to each other may both wait for a moment
                waited = min(waited, max(0.0, wall - (self._cpu_clock() - cpu)))
        else:
            off = max(0.0, wall - (self._cpu_clock() - cpu))
            waited = off if _SWITCHES_TOLD and _voluntary_switches() == slept else None
            delayed = waited or 0.0
        found = TimedCall(wall, waited, self.threads == 1, self._after)
        self._after = 0.0 if delayed > COOLING_WAIT else self._after + wall
        return found

    def own_seconds(self) -> float:
        """Seconds in which the calling thread has run, or waited for a CPU, so far in its life."""
        return time.thread_time() + (0.0 if self.whole_process else self._delay())

    def settle(self, wall: float, own: float) -> None:
        """Calls took `wall` seconds, in which `own_seconds` grew by `own`: does the calling thread do the work?"""
        self.whole_process = self.whole_process or (bool(self._files) and own < OWN_SHARE * wall)

    def _cpu_clock(self) -> float:
        """Seconds on a CPU so far: the caller's without other statistics, the process's where another thread works.

        0 where the run queue tells enough.
        """
        if not self._files:
            return time.thread_time()
        return time.process_time() if self.whole_process and self.threads == 1 else 0.0

    def _delay(self) -> float:
        """Seconds in the run queue so far, of the calling thread or summed over the process; 0 where not told."""
        return sum(map(_read_delay, self._files))


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:  # no such system, or the thread has just ended
        return None


def _read_delay(file: int) -> float:
    """Seconds spent waiting in the run queue: the second number of a schedstat file, in ns."""
    try:
        return int(os.pread(file, 128, 0).split()[1]) * 1e-9
    except (OSError, IndexError):  # the thread has ended
        return 0.0


def _switch_counter() -> Callable[[], int] | None:
    """How often the thread (on Linux; elsewhere the process) has given up its CPU by itself so far."""
    if sys.platform == "win32":
        return None
    import resource

    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    return lambda: resource.getrusage(who).ru_nvcsw


_counter = _switch_counter()
_SWITCHES_TOLD = _counter is not None
_voluntary_switches: Callable[[], int] = _counter or (lambda: 0)

"""One timed call: its wall time, and how long the system kept its threads from running meanwhile.

Where other programs want the CPU too, a thread is taken off it (preempted) and waits in the run queue. That time is not
the network's. Linux tells it for each thread: nanoseconds in the run queue in `schedstat` (kernel documentation,
scheduler/sched-stats.rst), the thread's own CPU clock, and its voluntary context switches, at which it waited for
something else than a CPU. macOS tells the CPU clock of a thread and the switches of the process. Windows counts the CPU
time of a thread in ticks of 16 ms, which says nothing of a call.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

OWN_SHARE = 0.9  # of a call's time that the calling thread must account for, if it is to be the one that works
TASKS, OWN, RUN_DELAY = "/proc/self/task", "/proc/thread-self", "schedstat"

Call = Callable[[], object]


class TimedCall(NamedTuple):
    """Seconds of one call.

    `wall`: by the wall clock. `waited`: how long threads of the process that could run did not get a CPU (summed over
    the threads); None where the system does not tell. `serial`: at any time one thread works at most, so that
    `wall - waited` is what the call takes when nobody disturbs it; with several at once it is a lower bound of that.
    """

    wall: float
    waited: float | None = 0.0
    serial: bool = True

    @property
    def least(self) -> float:
        """What it took at least while its threads ran; all of it where the system does not tell."""
        return max(0.0, self.wall - (self.waited or 0.0))


class CallTimer:
    """Times calls, which are said to use `threads` threads.

    With one, the caller usually does the work itself and only its own clocks are read. `settle` finds out where another
    thread does it (an engine's pool); then, as with several threads, those of all threads of the process are.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self.whole_process = threads != 1
        self._files: list[int] = []

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Inside the block calls can be timed, all from one thread. Engines start their threads before or after it."""
        paths = [OWN]
        if self.whole_process and os.path.isdir(TASKS):
            paths = [f"{TASKS}/{task}" for task in os.listdir(TASKS)]
        self._files = [file for path in paths if (file := _open(f"{path}/{RUN_DELAY}")) is not None]
        try:
            yield
        finally:
            for file in self._files:
                os.close(file)
            self._files = []

    def time(self, call: Call) -> TimedCall:
        """Make the call once."""
        delay, slept, cpu = self._delay(), _voluntary_switches(), time.thread_time()
        start = time.perf_counter()
        call()
        wall = time.perf_counter() - start
        ran = time.thread_time() - cpu
        found = self._waited(wall, ran, _voluntary_switches() - slept, self._delay() - delay)
        return TimedCall(wall, found, self.threads == 1)

    def own_seconds(self) -> float:
        """Seconds in which the calling thread has run, or waited for a CPU, so far in its life."""
        return time.thread_time() + (0.0 if self.whole_process else self._delay())

    def settle(self, wall: float, own: float) -> None:
        """Calls took `wall` seconds, in which `own_seconds` grew by `own`: does the calling thread do the work?"""
        self.whole_process = self.whole_process or (bool(self._files) and own < OWN_SHARE * wall)

    def _waited(self, wall: float, ran: float, voluntary: int, delayed: float) -> float | None:
        """Seconds off the CPU against the threads' will: in the run queue, or while a hypervisor had taken the CPU."""
        tells = _SWITCHES_TOLD and not self.whole_process and not voluntary
        off = max(0.0, wall - ran) if tells else None  # without voluntary switches, all time off the CPU
        if not self._files:
            return off
        return max(off or 0.0, min(wall, delayed) if self.threads == 1 else delayed, 0.0)

    def _delay(self) -> float:
        """Seconds in the run queue so far, of the calling thread or summed over the process; 0 where not told."""
        return sum(map(_read_delay, self._files))


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:  # no such system, or the thread has just ended
        return None


def _read_delay(file: int) -> float:
    """The second number of a schedstat file: nanoseconds spent waiting in the run queue."""
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

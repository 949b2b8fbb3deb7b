"""The highest ordinary priority for threads that are being timed, where the system allows it (root, most containers).

Other programs then wait while a turn of some milliseconds lasts, and the caches stay with the network. Without the
right to do so (`setpriority(2)`: CAP_SYS_NICE or RLIMIT_NICE) nothing changes, and what others take is judged later.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

HIGHEST = -20
CALLER = 0  # the calling thread, where threads have priorities of their own (Linux)


@contextmanager
def highest_priority(tasks: Iterable[int] = (CALLER,)) -> Iterator[bool]:
    """Inside the block the threads `tasks` of this process go before others; yields whether all of them do.

    Afterwards each has the priority that it had.
    """
    before = {}
    wanted = list(tasks) if os.path.isdir("/proc/self/task") else []  # elsewhere priorities are of whole processes
    try:
        for task in wanted:
            try:
                usual = os.getpriority(os.PRIO_PROCESS, task)
                os.setpriority(os.PRIO_PROCESS, task, HIGHEST)
            except (PermissionError, ProcessLookupError):  # not allowed, or the thread has just ended
                continue
            before[task] = usual
        yield bool(wanted) and len(before) == len(wanted)
    finally:
        for task, usual in before.items():
            try:
                os.setpriority(os.PRIO_PROCESS, task, usual)
            except ProcessLookupError:
                continue

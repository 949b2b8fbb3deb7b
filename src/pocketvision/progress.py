"""What a person sees during long work: a bar with the time left on a terminal, a line for some of the steps elsewhere.

Everything goes to standard error, so that standard output stays clean for results.
"""

from __future__ import annotations

import os
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_SECONDS = 0.1  # between two drawings of the bar
# Where there is no terminal: seconds between two lines at least, after a whole step (an epoch); they grow with the time
# that has passed, so that hours of work are no hundreds of lines. And how long nothing is said within a step.
QUIET_SECONDS, QUIET_SHARE, LONG_SECONDS = 10.0, 1 / 10, 120.0

console = Console(stderr=True, highlight=False)


def is_first_process() -> bool:
    """False in the other processes of a run under torchrun: what the first one says, they keep to themselves."""
    return os.environ.get("RANK", "0") == "0"


def processes() -> int:
    """How many torchrun has started to work together; 1 without it."""
    count = os.environ.get("WORLD_SIZE", "1")
    return int(count) if count.isdigit() else 1


def is_terminal() -> bool:
    """Can a line be drawn again where progress is shown? Not in a file or pipe, whatever FORCE_COLOR says."""
    return console.file.isatty() and not console.is_dumb_terminal


def say(message: str) -> None:
    """One line of plain text for the person who waits."""
    if is_first_process():
        console.print(message, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`75.2` -> `1m 15s`."""
    seconds = max(0, round(seconds))
    minutes, hours = seconds // 60, seconds // 3600
    return f"{hours}h {minutes % 60:02d}m" if hours else f"{minutes}m {seconds % 60:02d}s" if minutes else f"{seconds}s"


class Steps:
    """`with Steps("timing", 20) as steps: ... steps.done(3, "mobilenet_v2")`."""

    def __init__(self, label: str, total: float, show: bool = True) -> None:
        self.label, self.total, self.show = label, total, show and is_first_process()
        self.started = self.last_line = time.monotonic()
        self.offset = 0.0  # what was done before this process began
        self.last_drawn = 0.0
        self._bar: Progress | None = None
        self._now, self._said = (0.0, ""), 0.0  # how far the work is, with its note; how far it was at the last line

    def __enter__(self) -> Steps:
        self.started = self.last_line = time.monotonic()
        if self.show and is_terminal():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
            )
            # No thread that draws by itself: it would compete with what is being timed.
            self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task(self.label, total=self.total, note="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()
        elif self.show and error is None and self._now[0] > self._said and self._elapsed() > QUIET_SECONDS:
            self._say(*self._now)

    def resume_at(self, done: float) -> None:
        """Work that an earlier process did: shown as done, not counted for the speed."""
        self.offset = self._said = done
        self.done(done)

    def done(self, done: float, note: str = "", total: float | None = None) -> None:
        """`done` of `total` steps are finished; `note` says where things stand. More than all there never are."""
        self.total = max(total or self.total, done)
        if self._bar:
            due = time.monotonic() - self.last_drawn > REFRESH_SECONDS
            self._bar.update(self._task, completed=done, total=self.total, note=note, refresh=due)
            self.last_drawn = time.monotonic() if due else self.last_drawn
        elif self.show:
            self._now = done, note
            silent = time.monotonic() - self.last_line
            whole = int(done) > int(self._said)
            if silent > LONG_SECONDS or (whole and silent > max(QUIET_SECONDS, QUIET_SHARE * self._elapsed())):
                self._say(done, note)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _say(self, done: float, note: str) -> None:
        self.last_line, self._said = time.monotonic(), done
        fresh = done - self.offset
        left = self._elapsed() / fresh * (self.total - done) if fresh > 0 and done < self.total else None
        ahead = f", {duration(left)} left" if left is not None else ""
        say(f"{self.label}: {100 * done / self.total:3.0f} % {note}{ahead}")

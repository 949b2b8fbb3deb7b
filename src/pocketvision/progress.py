"""What a person sees during long work: a bar with the time left on a terminal, a line now and then elsewhere.

Everything goes to standard error, so that standard output stays clean for results.
"""

from __future__ import annotations

import os
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_SECONDS = 0.1  # between two drawings of the bar
QUIET_SECONDS = 10.0  # between two lines where there is no terminal

console = Console(stderr=True, highlight=False)


def is_first_process() -> bool:
    """False in the other processes of a run under torchrun: what the first one says, they keep to themselves."""
    return os.environ.get("RANK", "0") == "0"


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

    def __enter__(self) -> Steps:
        self.started = self.last_line = time.monotonic()
        if self.show and console.is_terminal:
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

    def resume_at(self, done: float) -> None:
        """Work that an earlier process did: shown as done, not counted for the speed."""
        self.offset = done
        self.done(done)

    def done(self, done: float, note: str = "", total: float | None = None) -> None:
        """`done` of `total` steps are finished; `note` says where things stand."""
        self.total = total or self.total
        if self._bar:
            due = time.monotonic() - self.last_drawn > REFRESH_SECONDS
            self._bar.update(self._task, completed=done, total=self.total, note=note, refresh=due)
            self.last_drawn = time.monotonic() if due else self.last_drawn
        elif self.show and time.monotonic() - self.last_line > QUIET_SECONDS:
            self.last_line = time.monotonic()
            fresh = done - self.offset
            left = (self.last_line - self.started) / fresh * (self.total - done) if fresh > 0 else None
            say(
                f"{self.label}: {done / self.total:4.0%} {note}"
                + (f", {duration(left)} left" if left is not None else "")
            )

"""Ctrl-C as one event, and never an exception in the middle of an import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType

IMPORT = "<frozen importlib._bootstrap>"  # the file of the frames that every import has on the stack
AGAIN, PATIENCE = 0.02, 1.0  # s between two looks whether an import is done, and for all of them


class Interrupts:
    """`with Interrupts(stopped) as interrupts:` notes in `seen` that SIGINT came, and raises KeyboardInterrupt.

    Native code that is being imported does not survive an exception: PyTorch aborts the process. So the exception
    waits until the import is done; one that takes longer than PATIENCE ends the process as it stands, with the status
    that `stopped()` returns after it has said so. A second Ctrl-C ends the process at once.
    """

    def __init__(self, stopped: Callable[[], int]) -> None:
        self.seen, self.stopped = False, stopped
        self._since = 0.0
        self._before = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Interrupts:
        signal.signal(signal.SIGINT, self._interrupt)
        return self

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.seen, self._since = True, time.monotonic()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._look)
        self._look(number, frame)

    def _look(self, number: int, frame: FrameType | None) -> None:
        if not is_importing(frame):
            raise KeyboardInterrupt
        if not hasattr(signal, "setitimer") or time.monotonic() - self._since > PATIENCE:
            os._exit(self.stopped())
        signal.setitimer(signal.ITIMER_REAL, AGAIN)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self.seen:
            signal.signal(signal.SIGINT, self._before)


def is_importing(frame: FrameType | None) -> bool:
    """Is an import under way where the program stands?"""
    while frame is not None:
        if frame.f_code.co_filename == IMPORT:
            return True
        frame = frame.f_back
    return False

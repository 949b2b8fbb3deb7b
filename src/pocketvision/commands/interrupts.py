"""Ctrl-C as one event: noticed once, whatever becomes of the exception on its way."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class Interrupts:
    """`with Interrupts() as interrupts:` notes in `seen` that SIGINT came, and raises KeyboardInterrupt as usual.

    A second one, while the first is being dealt with, ends the process at once.
    """

    def __init__(self) -> None:
        self.seen = False
        self._before = signal.getsignal(signal.SIGINT)

    def __enter__(self) -> Interrupts:
        signal.signal(signal.SIGINT, self._notice)
        return self

    def _notice(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self.seen:
            signal.signal(signal.SIGINT, self._before)

"""One process at a time works in a run folder: two would write over each other's state."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

from pocketvision.errors import InputError

if sys.platform != "win32":  # there nothing is locked
    import fcntl

_held: set[int] = set()


class FolderLock:
    """Held until `release`, or until nobody holds the object, or the process ends, however; it leaves no file.

    InputError where another process, or this one, holds it. A place that knows no locks is taken without.
    """

    def __init__(self, folder: Path) -> None:
        self._close: Callable[[], object] | None = None
        if sys.platform == "win32":
            return
        try:
            handle = os.open(folder, os.O_RDONLY)
        except OSError:  # a folder that can be written, but not be listed
            return
        _held.add(handle)
        self._close = weakref.finalize(self, _close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise InputError(
                f"another process is at work on the run in {folder}: wait until it has ended, or choose another --out"
            ) from None
        except OSError:  # a network file system without locks
            self.release()

    def release(self) -> None:
        """The next process may begin."""
        if self._close is not None:
            self._close()


def _close(handle: int) -> None:
    if handle in _held:
        _held.discard(handle)
        os.close(handle)


def _let_go() -> None:
    """A worker process must not hold what the process that started it holds, which may be killed before."""
    for handle in list(_held):
        _close(handle)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)

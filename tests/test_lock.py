"""One process at a time works in a run folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pocketvision import lock
from pocketvision.errors import InputError
from pocketvision.lock import FolderLock
from pocketvision.runfolder import RunFolder

HOLD = """
import os, sys, time
from pathlib import Path
from pocketvision.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
child = os.fork()  # as the loader's workers are
if child:
    print(child, flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_has_ended_even_by_a_kill(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(InputError, match="another process is at work on the run in"):
            RunFolder(tmp_path, {"lr": 1.0}, "result.json", fresh=True)
        assert not list(tmp_path.iterdir())
        holder.kill()
        holder.wait()
        with RunFolder(tmp_path, {"lr": 1.0}, "result.json") as folder:  # while the first one's child lives on
            assert folder.read("state/settings.json") == {"lr": 1.0}
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        os.kill(child, 9)


def test_a_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    with RunFolder(tmp_path, {"lr": 1.0}, "result.json"):
        with pytest.raises(InputError, match="at work"):
            FolderLock(tmp_path)
    RunFolder(tmp_path, {"lr": 1.0}, "result.json")
    with pytest.raises(InputError, match="other settings"):  # said, and the folder let go
        RunFolder(tmp_path, {"lr": 2.0}, "result.json")
    with RunFolder(tmp_path, {"lr": 1.0}, "result.json") as folder:
        assert folder.read("state/settings.json") == {"lr": 1.0}


def test_a_place_without_locks_is_taken_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not supported")

    for module, name in ((lock.fcntl, "flock"), (lock.os, "open")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, refuse)
            first, second = FolderLock(tmp_path), FolderLock(tmp_path)
        first.release(), second.release()
    held = FolderLock(tmp_path)
    with pytest.raises(InputError, match="at work"):
        FolderLock(tmp_path)
    held.release()

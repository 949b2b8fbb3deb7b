"""The program that keeps a folder on another device while somebody is connected to it, and cleans up afterwards.

It is sent as text and run by the device's Python before anything of ours is there: standard library only, in words that
an old Python understands too, so that it can say that it is old. Its standard input is the connection: a sign of life
every few seconds. When that ends (the other side has finished, was killed, or a cable was pulled), what was started in
the folder is ended and the folder removed.
"""

import importlib.util
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time

PATIENCE = 2.0  # seconds that a process gets to end by itself


def keep(place: "str | None", libraries: "tuple[str, ...]", silence: float) -> None:
    """Make a folder in `place` (None: the system's usual), say so in one line of JSON, and wait.

    The line has `python` (its version), `missing` (of the modules `libraries`) and `folder`, or `error` where no folder
    can be made. Returns when standard input ends or nothing has come in for `silence` seconds.
    """
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: sys.exit(1))
    found: dict[str, object] = {"python": list(sys.version_info[:2])}
    found["missing"] = [name for name in libraries if importlib.util.find_spec(name) is None]
    folder = None
    try:
        try:
            folder = tempfile.mkdtemp(prefix="pocketvision-", dir=place)
            os.mkdir(os.path.join(folder, "processes"))
            found["folder"] = folder
        except OSError as error:
            found["error"] = (error.strerror or str(error)).lower()
        print(json.dumps(found), flush=True)
        while folder and select.select([0], [], [], silence)[0] and os.read(0, 4096):
            pass
    finally:
        if folder:
            clean(folder)


def clean(folder: str) -> None:
    """End what was started in `folder` and remove it."""
    running = set(started(folder))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in running:
            end(process, number)
        until = time.monotonic() + PATIENCE
        while running and time.monotonic() < until:
            time.sleep(0.05)
            running = {process for process in running if is_running(process, folder)}
    for _ in range(20):  # a file that is just arriving may appear while the folder is being removed
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            break
        time.sleep(0.05)


def started(folder: str) -> "list[int]":
    """The processes that wrote their number into the folder and still are what they were."""
    try:
        numbers = os.listdir(os.path.join(folder, "processes"))
    except OSError:  # a full disk had no room for it: nothing was started
        return []
    return [int(number) for number in numbers if number.isdigit() and is_running(int(number), folder)]


def is_running(process: int, folder: str) -> bool:
    """Numbers are given again: where the system tells, a process counts only if it works in the folder."""
    try:
        if os.path.isdir("/proc/self"):
            return os.readlink("/proc/%d/cwd" % process).startswith(os.path.realpath(folder))  # noqa: UP031
        os.kill(process, 0)
        return True
    except OSError:
        return False


def end(process: int, number: int) -> None:
    """Send a signal to the process, and to its children where it leads a group of its own."""
    try:
        (os.killpg if os.getpgid(process) == process else os.kill)(process, number)
    except OSError:  # it has just ended
        return

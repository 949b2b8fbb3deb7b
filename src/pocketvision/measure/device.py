"""Where a measurement runs: on this machine, or on another one that speaks the same few words."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Protocol

import pocketvision
from pocketvision.errors import InputError

READY = "pocketvision: ready"  # comes after whatever a login shell, a wrapper or sitecustomize prints
PROGRAM = f"from pocketvision.measure.worker import main; print({READY!r}, flush=True); main()"
OLDEST = (3, 11)  # of the Pythons that our code runs in; older ones do not know -P either
START, PATIENCE = 60.0, 10.0  # seconds that a worker gets to start, and to end by itself


class Device(Protocol):
    """A machine on which `pocketvision.measure.worker` can be started."""

    name: str

    def start(self) -> subprocess.Popen[str]:
        """A running worker with text pipes to its standard input and output."""
        ...

    def put(self, path: Path) -> str:
        """Copy a file there; its path there."""
        ...

    def lost(self, process: subprocess.Popen[str]) -> InputError:
        """Why a worker has ended too early, as what to raise."""
        ...

    def close(self) -> None:
        """End what was started there and remove what was copied there."""
        ...


class Local:
    """This machine, under this interpreter or another one (`python`), which then imports this very package."""

    def __init__(self, python: str | Path = sys.executable) -> None:
        self.python = str(python)
        self.name = "here" if self.python == sys.executable else self.python
        self._started: dict[subprocess.Popen[str], IO[str]] = {}

    def start(self) -> subprocess.Popen[str]:
        """Start a worker. InputError when there is no such interpreter, or no worker comes to life in it."""
        package = str(Path(pocketvision.__file__).parents[1])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        complaints = tempfile.TemporaryFile("w+", errors="replace")
        try:
            process = subprocess.Popen(
                [self.python, "-P", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                bufsize=1,
                env=environment,
            )
        except OSError as error:
            complaints.close()
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"cannot start {self.python}: {reason}; give the path of a Python interpreter") from error
        self._started[process] = complaints
        ready: list[bool] = []
        listener = threading.Thread(target=lambda: ready.append(_is_ready(process)), daemon=True)
        listener.start()
        listener.join(START)
        if listener.is_alive():
            process.kill()
            raise InputError(
                f"{self.python} said nothing for {START:.0f} s: give the path of a Python interpreter that can start "
                "pocketvision"
            )
        if not ready[0]:
            raise self.lost(process)
        return process

    def put(self, path: Path) -> str:
        """It is here already."""
        return str(path)

    def lost(self, process: subprocess.Popen[str]) -> InputError:
        """The last line that the worker wrote to its standard error, or its exit status."""
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it answers, but not in our language
            process.kill()
            status = process.wait()
        complaints = self._started.get(process)
        if complaints is None:
            return InputError(f"the measuring process under {self.python} was closed: start another one")
        complaints.seek(0)
        lines = [line.strip() for line in complaints if line.strip()]
        if lines and lines[-1].startswith("error: "):
            return InputError(lines[-1].removeprefix("error: "))
        if any(line.lower().startswith("unknown option") and line.endswith("-P") for line in lines):
            oldest = ".".join(map(str, OLDEST))
            return InputError(
                f"{self.python} is too old: pocketvision needs Python {oldest} or newer, give another one"
            )
        reason = lines[-1] if lines and status > 0 else f"status {status}"
        return InputError(f"the measuring process under {self.python} ended early ({reason}): leave this runtime out")

    def close(self) -> None:
        """End the workers that still run."""
        for process, complaints in self._started.items():
            if process.stdin and not process.stdin.closed:
                try:
                    process.stdin.close()
                except OSError:  # it is gone already
                    pass
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
            complaints.close()
        self._started.clear()


def _is_ready(process: subprocess.Popen[str]) -> bool:
    """Wait for READY; False when the output ends before it."""
    assert process.stdout
    return any(line.strip() == READY for line in iter(process.stdout.readline, ""))


def open_device(device: Device | str | None) -> Device:
    """None is this machine; text (`ssh://user@host`, `adb://`) is opened by `pocketvision.measure.remote`."""
    if device is None:
        return Local()
    if isinstance(device, str):
        from pocketvision.measure import remote

        return remote.open_device(device)
    return device

"""The way to an Android device through its debug bridge."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pocketvision.measure.links import program


@dataclass
class Adb:
    """Android's debug bridge; `serial` as `adb devices` prints it, empty for the only one that is connected."""

    serial: str
    place: str | None = None

    def __post_init__(self) -> None:
        self.place = self.place or "/data/local/tmp"  # the one folder that adb's user may run programs in

    def command(self, script: str, first: bool = False) -> list[str]:
        # -T: no terminal, which would echo what we send and turn \n into \r\n; -x would hide the exit status.
        return [*self._adb(), "shell", "-T", f"exec sh -c {shlex.quote(script)}"]

    def push(self, path: Path, there: str) -> subprocess.CompletedProcess[bytes]:
        command = [*self._adb(), "push", str(path), there]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True)

    def why(self, said: str) -> str | None:
        text = said.lower()
        if "unauthorized" in text:
            return "it does not allow debugging by this machine: unlock it and accept the question on its screen"
        if "not found" in text and "device" in text or "no devices" in text or "offline" in text:
            return "adb does not see it: 'adb devices' should list it as 'device'"
        if "more than one device" in text:
            return "several devices are connected: give the serial that 'adb devices' prints, adb://SERIAL"
        return None

    def close(self) -> None:
        """Each command has its own connection: nothing to end."""

    def _adb(self) -> list[str]:
        return [program("adb", "adb"), *(["-s", self.serial] if self.serial else [])]

"""What a way to another device must offer, whatever carries it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from pocketvision.errors import InputError


class Link(Protocol):
    """How commands and files get to a device."""

    place: str | None  # where temporary folders are made there; None: where the device usually does

    def command(self, script: str, first: bool = False) -> list[str]:
        """What to run here so that the POSIX shell there runs `script`; `first` opens the connection and stays."""
        ...

    def push(self, path: Path, there: str) -> subprocess.CompletedProcess[bytes]:
        """Copy one file."""
        ...

    def why(self, said: str) -> str | None:
        """What the program's complaint means, and what to do; None for one that does not concern the connection."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


def program(name: str, package: str) -> str:
    """Where an executable of this machine is; InputError, with the Debian package to install, where it is not."""
    path = shutil.which(name)
    if path is None:
        raise InputError(f"--device needs the program {name!r}, which is not on this machine: install {package}")
    return path

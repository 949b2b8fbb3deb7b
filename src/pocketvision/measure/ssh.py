"""The way to a device through OpenSSH's client, as it and its configuration are on this machine."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pocketvision.measure.links import program

SECONDS = 10  # to wait for an answer when connecting; between two signs of life
LOST = 3  # signs of life that may stay away before a connection is given up

UNREACHABLE = {  # what ssh says when nothing answers, and how we call it
    "could not resolve hostname": "its name is unknown",
    "connection refused": "nothing listens on that port",
    "timed out": "it does not answer",
    "no route to host": "there is no route to it",
    "network is unreachable": "there is no route to it",
    "kex_exchange_identification": "what listens on that port is no ssh server",
    "banner exchange": "what listens on that port is no ssh server",
}


@dataclass
class Ssh:
    """OpenSSH: one connection, opened by the first command, which the others share through a socket.

    A server allows some ten commands at a time on one connection; for those beyond, ssh opens another by itself.
    """

    host: str  # with user@, if given
    port: int | None = None
    place: str | None = None
    sockets: Path = field(default_factory=lambda: _short_temporary_folder())

    def command(self, script: str, first: bool = False) -> list[str]:
        options = {
            "BatchMode": "yes",  # never asks: there may be nobody to answer
            "ConnectTimeout": SECONDS,
            "ServerAliveInterval": SECONDS,
            "ServerAliveCountMax": LOST,
            "ControlPath": self.sockets / "s",
            "ControlMaster": "yes" if first else "no",
            "ControlPersist": "no",
            "ClearAllForwardings": "yes",
            "RequestTTY": "no",
            "LogLevel": "ERROR",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        port = ["-p", str(self.port)] if self.port else []
        # Whatever shell the user has there, one that we know reads the script.
        return [program("ssh", "openssh-client"), *flags, *port, "--", self.host, f"exec sh -c {shlex.quote(script)}"]

    def push(self, path: Path, there: str) -> subprocess.CompletedProcess[bytes]:
        """Through the shell: small devices have neither scp's nor sftp's other half."""
        with path.open("rb") as content:
            command = self.command(f"LC_ALL=C exec cat > {shlex.quote(there)}")
            return subprocess.run(command, stdin=content, capture_output=True, start_new_session=True)

    def why(self, said: str) -> str | None:
        text = said.lower()
        by_hand = f"ssh {f'-p {self.port} ' if self.port else ''}{self.host}"
        if "identification has changed" in text:
            return (
                f"its host key is not the known one: if that is in order, 'ssh-keygen -R' it and run '{by_hand}' once"
            )
        if "host key verification failed" in text:
            return f"its host key is unknown here: run '{by_hand}' once and accept it"
        if "permission denied (" in text or "too many authentication failures" in text:
            return f"it refuses the key: put yours there with 'ssh-copy-id', until '{by_hand}' asks for no password"
        for sign, reason in UNREACHABLE.items():
            if sign in text:
                return f"cannot reach it, {reason}: check address and port, and whether it is on"
        return None

    def close(self) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)


def _short_temporary_folder() -> Path:
    """Where the socket goes. Its path has at most some 100 characters, 41 of them its own: TMPDIR may be too long."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="pocketvision-", dir=usual if len(usual) < 60 else "/tmp"))

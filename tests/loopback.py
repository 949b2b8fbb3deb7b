"""A real sshd on this machine's loopback, with a port and keys of its own, run by whoever runs this."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
SSH = shutil.which("ssh")
MISSING = None if SSHD and SSH else "no OpenSSH server here: apt-get install openssh-server openssh-client"


@dataclass(frozen=True)
class Loopback:
    """The server. With its folder `bin` first on PATH, `ssh` uses its keys instead of the user's own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return f"ssh://{getuser()}@127.0.0.1:{self.port}"

    @property
    def device(self) -> str:
        """What to give as --device: this very Python, so that nothing need be installed."""
        return f"{self.host}?python={sys.executable}"

    def cut(self) -> None:
        """Kill the processes of sshd that serve a connection, as a cut cable would end them."""
        for child in children(self.process.pid):
            os.kill(child, signal.SIGKILL)


@contextmanager
def loopback(folder: Path, sessions: int = 10) -> Iterator[Loopback]:
    """The server, from when it answers until the end of the block; `sessions` at a time on one connection."""
    assert SSHD and SSH
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = _free_port()
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    settings = {"HostKey": "host", "AuthorizedKeysFile": "authorized", "PidFile": "pid"}
    lines = [f"{key} {folder / name}" for key, name in settings.items()]
    lines += [f"Port {port}", "ListenAddress 127.0.0.1", "StrictModes no", "UsePAM no", "PasswordAuthentication no"]
    (folder / "sshd_config").write_text("\n".join([*lines, "PermitRootLogin yes", f"MaxSessions {sessions}", ""]))
    (folder / "ssh_config").write_text(
        f"Host *\nIdentityFile {folder / 'user'}\nIdentitiesOnly yes\nUserKnownHostsFile {folder / 'known'}\n"
    )
    write_program(folder / "bin" / "ssh", f'exec {SSH} -F {shlex.quote(str(folder / "ssh_config"))} "$@"')
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself up before somebody has logged in
    process = subprocess.Popen([SSHD, "-D", "-f", folder / "sshd_config", "-E", folder / "log"])
    server = Loopback(folder, port, process)
    try:
        wait_until(lambda: _answers(port), 10)
        yield server
    finally:
        server.cut()
        process.terminate()
        process.wait()


def write_program(path: Path, script: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def children(parent: int) -> list[int]:
    """The processes that `parent` has started and that still are."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def running_in(folder: str) -> list[int]:
    """The processes that work in `folder`, which may have been removed, or below."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if os.readlink(link).startswith(folder):
                found.append(int(link.parent.name))
        except OSError:
            continue
    return found


def wait_until(condition, seconds: float) -> None:
    """Look again and again; AssertionError when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this takes too long"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""Another device to measure on: what is needed is copied there, run there, and removed afterwards."""

from __future__ import annotations

import atexit
import json
import shlex
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from pocketvision.errors import InputError
from pocketvision.measure import keeper
from pocketvision.measure.device import OLDEST, PATIENCE, READY
from pocketvision.measure.links import Link
from pocketvision.measure.wheel import build_wheel

LIBRARIES = {"numpy": "numpy", "PIL": "pillow"}  # what the worker cannot start without: module -> package
EVERYTHING = "numpy pillow onnxruntime safetensors"  # what the package asks for to run networks
BEAT, SILENCE = 10.0, 60.0  # seconds between two signs of life, and without any until the device cleans up
NOTICE = 1.0  # seconds after which a cut connection has shown in all that use it


class RemoteDevice:
    """A `measure.device.Device` behind a link. It has a folder there, which goes away with the connection.

    Opening connects, checks the device's Python and unpacks this very package there. InputError, one sentence, for a
    device that cannot be reached or does not let us in, for one without Python, libraries or room, and for a
    connection that is cut.
    """

    def __init__(self, name: str, link: Link, python: str = "python3") -> None:
        """`name` is what messages and results call the device; `python` is the interpreter to use there."""
        self.name, self._link, self._python = name, link, python
        self._complaints: dict[subprocess.Popen[Any], IO[bytes]] = {}  # standard error of what was started
        self._folders: dict[Path, str] = {}  # those here from which files were copied, and theirs there
        self._sent: dict[Path, tuple[int, int]] = {}  # the files copied there -> when changed, how big
        self._copies = 0
        self._closing = threading.Event()
        atexit.register(self.close)
        try:
            self._keeper = self._connect()
            self.folder = self._settle_in()
            threading.Thread(target=self._beat, daemon=True, name=f"signs of life to {name}").start()
            self._unpack()
        except BaseException:
            self.close()
            raise

    def start(self) -> subprocess.Popen[str]:
        """Start `python -m pocketvision.measure.worker` there, with text pipes to its standard input and output."""
        folder = shlex.quote(self.folder)
        package = f"{folder}/package"
        # What the worker keeps for another time would stay there: its cache goes with the folder.
        script = (
            f"cd {folder} && export POCKETVISION_CACHE={folder}/cache && "
            f"echo $$ > processes/$$ && echo {shlex.quote(READY)} && "
            f'export PYTHONPATH={package}"${{PYTHONPATH:+:$PYTHONPATH}}" && '
            f"exec {shlex.quote(self._python)} -P -m pocketvision.measure.worker"
        )
        process = self._popen(script)
        assert process.stdout
        if not any(line.strip() == READY for line in iter(process.stdout.readline, "")):
            raise self.lost(process)
        return process

    def put(self, path: Path) -> str:
        """Copy a file, or a folder with all in it, there; gives its path there. Neighbours stay neighbours.

        A file that is there as it is here is not copied again.
        """
        path = path.absolute()
        if path.parent not in self._folders:
            self._copies += 1
            folder = f"{self.folder}/{self._copies}"
            self._checked(self._run(f"mkdir {shlex.quote(folder)}"), folder)
            self._folders[path.parent] = folder
        target = f"{self._folders[path.parent]}/{path.name}"
        state = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
        if state is None or self._sent.get(path) != state:
            self._copy(path, target)
        if state is not None:
            self._sent[path] = state
        return target

    def clear(self) -> None:
        """Remove what was copied there: a worker has read its files once it has opened them."""
        if self._folders:
            self._run(f"exec rm -rf {' '.join(map(shlex.quote, self._folders.values()))}")
        self._folders.clear()
        self._sent.clear()

    def end(self, process: subprocess.Popen[Any]) -> None:
        """Let a process that was started there end, and forget it: else each would hold pipes until `close`."""
        _end(process)
        self._complaints.pop(process).close()

    def lost(self, process: subprocess.Popen[Any]) -> InputError:
        """Why a process that was started there has ended too early, as what to raise."""
        status, said = self._end_of(process)
        reason = _last_line(said) or f"status {status}"
        return self._cut() or InputError(f"the measuring program ended early on {self.name} ({reason}): try again")

    def close(self) -> None:
        """End what was started there, remove the folder there, disconnect. May be called again."""
        atexit.unregister(self.close)
        self._closing.set()
        # Last what was started first: when the keeper's input ends, it cleans up.
        for process, complaints in reversed(self._complaints.items()):
            _end(process)
            complaints.close()
        self._complaints.clear()
        self._link.close()

    def __enter__(self) -> RemoteDevice:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _connect(self) -> subprocess.Popen[str]:
        """Run `keeper` there, which is sent as its first line of input: no shell has to read it."""
        program = f"{Path(keeper.__file__).read_text()}\nkeep({self._link.place!r}, {tuple(LIBRARIES)!r}, {SILENCE!r})"
        reader = "import sys; exec(eval(sys.stdin.readline()))"
        process = self._popen(f"exec {shlex.quote(self._python)} -c {shlex.quote(reader)}", first=True)
        _write(process, repr(program))
        return process

    def _settle_in(self) -> str:
        """The folder that the keeper has made; InputError for what it found wrong there."""
        assert self._keeper.stdout
        for line in iter(self._keeper.stdout.readline, ""):
            if line.startswith('{"python"'):
                break
        else:
            status, said = self._end_of(self._keeper)
            known = self._link.why(said)
            if known:
                raise InputError(f"{self.name}: {known}")
            if status in (126, 127):
                raise InputError(self._other_python(f"has no {self._python!r} to run"))
            raise InputError(f"{self.name}: cannot start there ({_last_line(said) or f'status {status}'})")
        found = json.loads(line)
        if tuple(found["python"]) < OLDEST:
            raise InputError(self._other_python(f"has Python {'.'.join(map(str, found['python']))}, which is too old"))
        if found["missing"]:
            lacks = " and ".join(LIBRARIES[name] for name in found["missing"])
            pip = f"{self._python} -m pip install {EVERYTHING}"
            raise InputError(f"the Python of {self.name} lacks {lacks}: run there '{pip}'")
        if "error" in found:
            raise InputError(self._other_folder("no temporary folder can be made", found["error"]))
        return str(found["folder"])

    def _unpack(self) -> None:
        """Our package into the folder, as files: some of them are run as programs."""
        with tempfile.TemporaryDirectory(prefix="pocketvision-") as here:
            wheel = shlex.quote(self.put(build_wheel(here)))
        package = f"{self.folder}/package"
        script = f"exec {shlex.quote(self._python)} -m zipfile -e {wheel} {shlex.quote(package)}"
        self._checked(self._run(script), package)
        self.clear()

    def _copy(self, path: Path, target: str) -> None:
        if not path.is_dir():
            self._checked(self._link.push(path, target), target)
            return
        self._checked(self._run(f"mkdir -p {shlex.quote(target)}"), target)
        for below in sorted(path.iterdir()):
            self._copy(below, f"{target}/{below.name}")

    def _popen(self, script: str, first: bool = False) -> subprocess.Popen[str]:
        command, pipe = self._link.command(script, first), subprocess.PIPE
        complaints = tempfile.TemporaryFile()  # a pipe that nobody reads would fill up
        # In a session of its own, Ctrl-C reaches only us, and we end what we have started in good order.
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=complaints, text=True, bufsize=1, start_new_session=True
        )
        self._complaints[process] = complaints
        return process

    def _run(self, script: str) -> subprocess.CompletedProcess[bytes]:
        command = self._link.command(f"export LC_ALL=C; {script}")
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True)

    def _checked(self, done: subprocess.CompletedProcess[bytes], target: str) -> None:
        """InputError unless what should have written `target` there has done so."""
        if done.returncode == 0:
            return
        said = _last_line((done.stderr or done.stdout).decode(errors="replace"))
        raise self._cut() or InputError(self._other_folder(f"cannot write {target}", said))

    def _cut(self) -> InputError | None:
        """What to raise if the connection is no more: then whatever else was said follows from that."""
        try:
            self._keeper.wait(NOTICE)
        except subprocess.TimeoutExpired:
            return None
        return InputError(f"the connection to {self.name} was cut: nothing was left there; try again when it is back")

    def _end_of(self, process: subprocess.Popen[Any]) -> tuple[int, str]:
        """The exit status of a process whose output has ended, and what it has complained about."""
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        complaints = self._complaints[process]
        complaints.seek(0)
        return status, complaints.read().decode(errors="replace")

    def _beat(self) -> None:
        while not self._closing.wait(BEAT) and _write(self._keeper, ""):
            pass

    def _other_python(self, problem: str) -> str:
        oldest = ".".join(map(str, OLDEST))
        return f"{self.name} {problem}: install Python {oldest} there, or name one: {self.name}?python=/its/path"

    def _other_folder(self, problem: str, reason: str) -> str:
        return f"{self.name}: {problem} ({reason}): make room there, or name a folder: {self.name}?folder=/its/path"


def _write(process: subprocess.Popen[str], line: str) -> bool:
    """A line to the input of a process; False when it has ended."""
    assert process.stdin
    try:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return True
    except (OSError, ValueError):  # a broken pipe, or closed
        return False


def _end(process: subprocess.Popen[Any]) -> None:
    """Close its input, which asks it to end; make it where it does not."""
    assert process.stdin and process.stdout
    try:
        process.stdin.close()
    except OSError:  # what was still to be written finds nobody
        pass
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]

"""The workers of one measurement: started when first needed, asked one at a time, ended together."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from pocketvision.errors import InputError
from pocketvision.measure.device import PATIENCE, Device, Local
from pocketvision.measure.worker import Worker, in_a_line
from pocketvision.runtimes import RUNTIMES, get_runtime, is_installed

Reply = dict[str, Any]
CONVERT = "convert "  # begins the role of a worker that writes files
TOGETHER = {"onnxruntime", "torch"}  # may be timed in the process that measures: neither disturbs the other


class Client:
    """A worker in a process of its own."""

    def __init__(self, device: Device) -> None:
        self.device, self.process = device, device.start()
        self.error: InputError | None = None

    def ask(self, do: str, **request: Any) -> Reply:
        """One request, one reply. InputError for what the worker cannot do, and when it has ended."""
        if self.error is not None:
            raise self.error
        assert self.process.stdin and self.process.stdout
        try:
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
            reply: Reply = json.loads(line)
        except (OSError, ValueError):  # a closed pipe, an empty line: it has ended
            self.error = self.device.lost(self.process)
            raise self.error from None
        if "error" in reply:
            raise InputError(reply["error"])
        return reply

    def end(self) -> None:
        """Let the process end by itself; its device ends it later where it does not."""
        try:
            self.ask("close")
            self.process.wait(PATIENCE)
        except (InputError, subprocess.TimeoutExpired):
            pass


class Inline:
    """A worker inside this process, for what needs none of its own."""

    def __init__(self) -> None:
        self.worker = Worker()

    def ask(self, do: str, **request: Any) -> Reply:
        """As `Client.ask`."""
        try:
            return self.worker.handle({"do": do, **request})
        except InputError:
            raise
        except Exception as error:  # an engine may raise anything: the other networks go on
            raise InputError(in_a_line(error)) from error


class Workers:
    """`with Workers(device, python) as workers`: every process of one measurement.

    Networks run on `device`; None is this machine, where the runtimes that this interpreter lacks run under `python`.
    """

    def __init__(self, device: Device | None = None, python: str | Path | None = None) -> None:
        self.here: Device = Local()
        self.remote = device
        self.other = Local(python) if python is not None else None
        self._clients: dict[tuple[str, str, int], Client | Inline] = {}
        self._installed: dict[str, list[str]] = {}
        self._cpus: dict[int, list[int]] = {}  # by threads

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
        for device in (self.here, self.other, self.remote):
            if device is not None:
                device.close()

    def choose(self, runtime: str) -> Device:
        """The device whose interpreter has `runtime`. InputError when none has."""
        if runtime not in RUNTIMES:
            get_runtime(runtime)  # says what is wrong with the name
        if self.remote is not None:
            if runtime in self.runtimes_of(self.remote):
                return self.remote
            raise InputError(f"runtime {runtime!r} is not installed on {self.remote.name}: install it there")
        if is_installed(runtime):
            return self.here
        if self.other is not None and runtime in self.runtimes_of(self.other):
            return self.other
        get_runtime(runtime)
        raise InputError(f"runtime {runtime!r} cannot be used here: its library is incomplete; install it anew")

    def converters(self, runtime: str) -> list[Device]:
        """The interpreters of this machine that may write files for `runtime`, the nearest first."""
        found: list[Device] = [self.here] if is_installed(runtime) else []
        if self.other is not None and runtime in self.runtimes_of(self.other):
            found.append(self.other)
        if not found:
            get_runtime(runtime)
        return found

    def client(self, device: Device, role: str, threads: int, inline: bool = False) -> Client | Inline:
        """The worker for `role` (a runtime, or another task) on `threads` threads; started if there is none yet."""
        key = device.name, role, threads
        if key not in self._clients:
            self._clients[key] = Inline() if inline else Client(device)
        return self._clients[key]

    def runtime_client(self, runtime: str, threads: int, inline: bool) -> Client | Inline:
        """The worker that runs `runtime`: PyTorch's variants share one, and so do runtimes that are timed inline."""
        family = runtime.partition("_")[0]
        return self.client(self.choose(runtime), "inline" if inline else family, threads, inline)

    def converter(self, device: Device, runtime: str) -> Client | Inline:
        """The worker that writes files for `runtime`, in a process of its own: their libraries are big, and print."""
        return self.client(device, f"{CONVERT}{runtime}", 0)

    def end_converters(self) -> None:
        """End the processes that wrote files."""
        for key in [key for key in self._clients if key[1].startswith(CONVERT)]:
            client = self._clients.pop(key)
            if isinstance(client, Client):
                client.end()

    def service(self) -> Client | Inline:
        """Who tells about the machine on which the networks run."""
        return self.client(self.remote or self.here, "service", 0, inline=self.remote is None)

    def open(self, runtime: str, source: Any, threads: int, batch: int, seed: int, inline: bool) -> Reply:
        """Open a network; all workers of a thread count run on the same CPUs, under whichever interpreter."""
        device, client = self.choose(runtime), self.runtime_client(runtime, threads, inline)
        path = device.put(source) if isinstance(source, Path) and not inline else source
        request = {"runtime": runtime, "path": path, "threads": threads, "batch": batch, "seed": seed}
        reply = client.ask("open", **request, cpus=self._cpus.get(threads))
        self._cpus[threads] = reply["cpus"]
        return reply

    def release(self) -> None:
        """Let this process go where it was, if it was pinned; nothing that was opened inside it can run any more."""
        for client in self._clients.values():
            if isinstance(client, Inline):
                client.ask("close")

    def runtimes_of(self, device: Device) -> list[str]:
        """The runtimes that are installed there. InputError when no worker can be started."""
        if device.name not in self._installed:
            self._installed[device.name] = self.client(device, "service", 0).ask("runtimes")["runtimes"]
        return self._installed[device.name]


def may_share(runtimes: list[str], threads: list[int], workers: Workers) -> bool:
    """Can all be timed inside this process? One thread count, and runtimes that leave each other alone."""
    return len(threads) == 1 and set(runtimes) <= TOGETHER and workers.remote is None

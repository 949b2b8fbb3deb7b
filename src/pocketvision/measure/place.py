"""Where batches of networks are timed one after the other: in this process, or on another device.

with place.worker() as worker:
    number = worker.open(path, runtime="onnxruntime", threads=1)
    worker.ask("warm", id=number, seconds=0.05)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pocketvision.errors import InputError
from pocketvision.measure.remote import open_device, read_address
from pocketvision.measure.remote_device import RemoteDevice
from pocketvision.measure.workers import Client, Inline


class Session:
    """A worker that opens files of this machine wherever it runs."""

    def __init__(self, worker: Client | Inline, device: RemoteDevice | None = None) -> None:
        self.ask, self.device = worker.ask, device

    def open(self, source: Any, do: str = "open", **request: Any) -> int:
        """Open a file, or for PyTorch in this process the Network itself; its number. InputError names the device."""
        if self.device is None:
            return int(self.ask(do, path=source, **request)["id"])
        there = self.device.put(Path(source))
        try:
            return int(self.ask(do, path=there, **request)["id"])
        except InputError as error:
            name = self.device.name
            raise error if name in str(error) else InputError(f"on {name}: {error}") from None

    def clear(self) -> None:
        """Remove the copies of files, which the worker needs no more."""
        if self.device is not None:
            self.device.clear()


class Place(Protocol):
    """A machine to time on; `device` is None for this one."""

    device: str | None

    def worker(self) -> AbstractContextManager[Session]:
        """A fresh worker: what was timed before leaves no trace in it."""
        ...

    def close(self) -> None:
        """Disconnect; the next worker connects again."""
        ...


class Here:
    """This machine, in this process."""

    device: str | None = None

    @contextmanager
    def worker(self) -> Iterator[Session]:
        """Pinned while it lasts."""
        inline = Inline()
        try:
            yield Session(inline)
        finally:
            inline.ask("close")

    def close(self) -> None:
        """There is no connection."""


class There:
    """Another device. It is connected to when first asked for something, and again after `close`."""

    def __init__(self, text: str) -> None:
        """`text` as of `measure.remote.open_device`; InputError when it names no device."""
        self.device: str | None = read_address(text).name
        self._text = text
        self._connected: RemoteDevice | None = None

    @contextmanager
    def worker(self) -> Iterator[Session]:
        """A process of its own there; when anything goes wrong, nothing stays there."""
        device = self._connected = self._connected or open_device(self._text)
        try:
            worker = Client(device)
            yield Session(worker, device)
            worker.ask("close")
            device.end(worker.process)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End what was started there, remove what was copied there, disconnect."""
        if self._connected:
            self._connected.close()
        self._connected = None


def place_of(device: str | None) -> Place:
    """None is this machine; text (`ssh://user@host`, `adb://`) another one. InputError for what names no device."""
    return Here() if device is None else There(device)

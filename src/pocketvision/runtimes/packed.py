"""One file for the engines whose formats have no place for class names and preprocessing.

The engine's own bytes come first and a ZIP archive follows, which holds `pocketvision.json` and whatever else belongs
to the network: as TensorFlow Lite packs label files into its models. Any ZIP reader lists what is inside. The JSON
object is that of the ONNX file, with `size` and `sha256` of everything else in the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.calibration import Calibration
from pocketvision.data.dataset import TASKS, Task
from pocketvision.data.image import Preprocessing
from pocketvision.errors import InputError
from pocketvision.files import read_whole, writable_folder, write_atomic

if TYPE_CHECKING:
    from pocketvision.network import Network

FORMAT_VERSION = 1
MEMBER = "pocketvision.json"
OLDEST = (1980, 1, 1, 0, 0, 0)  # the date of every member: the same network gives the same bytes

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Contents:
    """What a packed file holds: the JSON object, the engine's own bytes, and further members by name."""

    info: dict[str, Any]
    body: bytes
    members: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """A network in some engine; `answer` takes N x H x W x C pixels and gives N x classes probabilities."""

    answer: Run
    info: dict[str, Any]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    threshold: float | None
    task: Task
    threads: int
    path: Path
    runtime: str
    version: str

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """N x H x W x C pixels at the network's resolution -> N x classes probabilities."""
        return self.answer(images)


def describe(net: Network, macs: int | None) -> dict[str, Any]:
    """The JSON object that travels with `net`."""
    return {
        "format_version": FORMAT_VERSION,
        "task": net.task,
        "name": net.spec.name,
        "classes": list(net.classes),
        "preprocessing": net.preprocessing.to_json(),
        "calibration": net.calibration.to_json(),
        "params": sum(parameter.numel() for parameter in net.parameters()),
        "macs": macs,
    }


def pack(path: str | Path, info: Mapping[str, Any], body: bytes, members: Mapping[str, bytes] | None = None) -> Path:
    """Write one file atomically. InputError when the folder cannot be written."""
    path, members = Path(path), dict(members or {})
    writable_folder(path.parent)
    info = {**info, "size": len(body), "sha256": _hash(body, members)}
    buffer = io.BytesIO(body)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in {MEMBER: json.dumps(info).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, OLDEST), data)
    write_atomic(path, buffer.getvalue())
    return path


def unpack(path: str | Path) -> Contents:
    """Read what `pack` wrote. InputError for a missing, foreign, damaged or altered file."""
    path = Path(path)
    data = read_whole(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        info: dict[str, Any] = json.loads(members.pop(MEMBER))
        body = data[: info["size"]]
        whole = info["sha256"] == _hash(body, members)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
        message = f"{path} is damaged, or not a file of pocketvision: export or copy it again"
        raise InputError(message) from error
    if not whole:
        raise InputError(f"{path} was altered after its export: export or copy it again")
    return Contents(info, body, members)


def is_packed(path: str | Path) -> bool:
    """Did `pack` write the file? Damaged ones count where they still say so: `unpack` tells what is wrong."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MEMBER in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def loaded(info: dict[str, Any], answer: Run, path: str | Path, threads: int, runtime: str, version: str) -> Loaded:
    """A Runnable from the JSON object of a file and the function that runs it."""
    try:
        if info["format_version"] != FORMAT_VERSION or info["task"] not in TASKS:
            raise InputError(
                f"{path} has format version {info['format_version']} and the task {info['task']!r}, this release reads "
                f"{FORMAT_VERSION} and {', '.join(TASKS)}: update pocketvision"
            )
        classes = tuple(str(name) for name in info["classes"])
        preprocessing = Preprocessing.from_json(info["preprocessing"])
        threshold = Calibration.from_json(info.get("calibration")).threshold
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the metadata of {path} is damaged ({error!r}): export or copy it again") from error
    return Loaded(answer, info, classes, preprocessing, threshold, info["task"], threads, Path(path), runtime, version)


def one_by_one(run: Run) -> Run:
    """For engines whose file has a fixed batch of one: a batch is answered image by image."""

    def each(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if len(images) == 1:
            return run(images)
        return np.concatenate([run(images[number : number + 1]) for number in range(len(images))])

    return each


def _hash(body: bytes, members: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(body)
    for name in sorted(members):
        digest.update(f"\n{name} {len(members[name])}\n".encode())
        digest.update(members[name])
    return digest.hexdigest()

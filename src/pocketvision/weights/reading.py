"""Files of other libraries and frameworks as plain tensors, by what is in them. Nothing in a file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pocketvision.data.dataset import Task
from pocketvision.errors import InputError
from pocketvision.weights import caffe, checkpoint, deep_compression, tflite_nets
from pocketvision.weights.recognised import Looks, Recognised, Tensors


@dataclass(frozen=True)
class Read:
    """What a file or folder holds: tensors, and where it says so itself, the network, classes, preprocessing, task.

    `architecture` is what the file calls the network, in the words of the library that it is of, `arguments` those of
    the script that trained it.
    """

    tensors: Tensors
    recognised: Recognised | None = None
    classes: tuple[str, ...] = ()
    looks: Looks | None = None
    task: Task = "classify"
    architecture: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path, part: str = "") -> Read:
    """Read the weights in a file; `part` as `checkpoint.read` has it. InputError says what is wrong with it."""
    if not path.is_file():
        raise InputError(f"there is no weights file at {path}")
    suffix = path.suffix.lower()
    if suffix == ".tflite":
        network = tflite_nets.read(path)
        return Read(network.tensors or {}, network)
    if suffix == ".npz":
        return Read(caffe.read_npz(path))
    if suffix == ".net":
        return Read(deep_compression.read(path))
    return of_checkpoint(checkpoint.read(path, part))


def of_checkpoint(found: checkpoint.Checkpoint) -> Read:
    return Read(found.tensors, architecture=found.architecture, arguments=found.arguments)

"""Files of other libraries and frameworks as plain tensors, by what is in them. Nothing in a file is executed."""

from __future__ import annotations

import hashlib
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketvision.data.dataset import Task
from pocketvision.errors import InputError
from pocketvision.weights import caffe, deep_compression, tflite_nets
from pocketvision.weights.recognised import Looks, Recognised, Tensors

HASHED = re.compile(r"-(?=\d*[a-f])([0-9a-f]{8})\.pth")  # torchvision's file names end in the start of their SHA-256
SUFFIXES = ".pth, .pt, .bin, .safetensors, .tflite, .npz or .net"

NESTED = ("state_dict_ema", "state_dict", "model_state_dict", "model")  # where training scripts keep it in a checkpoint


@dataclass(frozen=True)
class Read:
    """What a file or folder holds: tensors, and where it says so itself, the network, classes, preprocessing, task."""

    tensors: Tensors
    recognised: Recognised | None = None
    classes: tuple[str, ...] = ()
    looks: Looks | None = None
    task: Task = "classify"


def read(path: Path) -> Read:
    """Read the weights in a file. InputError says what is wrong with it."""
    if not path.is_file():
        raise InputError(f"there is no weights file at {path}")
    if path.suffix == ".tflite":
        network = tflite_nets.read(path)
        return Read(network.tensors or {}, network)
    if path.suffix == ".npz":
        return Read(caffe.read_npz(path))
    if path.suffix == ".net":
        return Read(deep_compression.read(path))
    return Read(_state_dict(path))


def _state_dict(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.pth`, `.pt`, `.bin` or `.safetensors` file."""
    named = HASHED.search(path.name)
    if named and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(named[1]):
        raise InputError(f"{path} is not the file that its name promises (SHA-256 {named[1]}...): cut off or altered")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean; none of it is executed
        reason = type(error).__name__
        if not isinstance(error, pickle.UnpicklingError):  # whose text advises to run what is in the file
            reason = " ".join(str(error).split())[:120] or reason
        raise InputError(f"cannot read weights from {path}: damaged, or more than plain tensors ({reason})") from None
    if isinstance(state, dict):
        state = _without_prefix(next((state[key] for key in NESTED if isinstance(state.get(key), dict)), state))
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not hold a state dict (names of tensors and tensors)")
    return state


def _without_prefix(state: dict[Any, Any]) -> dict[Any, Any]:
    """The names without the "module." that DataParallel puts before each."""
    prefix = "module."
    if all(isinstance(name, str) and name.startswith(prefix) for name in state):
        return {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state

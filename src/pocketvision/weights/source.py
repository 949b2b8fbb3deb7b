"""Where weights come from: a file of another library, a model file of ours, or a download that was asked for."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.spec import Spec
from pocketvision.weights import hub, torchvision
from pocketvision.weights.file import is_model_file, load

AUTO = "auto"


@dataclass(frozen=True, eq=False)
class Weights:
    """Trained tensors as their source names them, and the network that they are of.

    `classes` are the names of the classifier's outputs, empty where the source does not say. `spec` is there when the
    source is a model file of ours: its tensors have our names.
    """

    tensors: dict[str, Tensor]
    family: str
    width: float
    source: str
    classes: tuple[str, ...] = ()
    spec: Spec | None = None

    @property
    def name(self) -> str:
        """Short, for people: the file's name."""
        return Path(self.source).name

    @property
    def channels(self) -> int:
        """Input channels that the tensors were trained on."""
        return self.spec.channels if self.spec else 3

    def named_for(self, spec: Spec) -> dict[str, Tensor]:
        """The tensors by our names, for a network of `spec`; names that are not known are kept, to be reported."""
        return dict(self.tensors) if self.spec else torchvision.convert_mobilenet_v2(self.tensors, spec)


def open_weights(source: str | Path | dict[str, Any]) -> Weights:
    """Read weights and recognise what they are of. `source` is a file, a state dict, or "auto": published weights, from
    the disk where they were downloaded before, else downloaded after asking. InputError when that fails.
    """
    if isinstance(source, dict):
        return _of_another_library(dict(source), "this state dict")
    if str(source) == AUTO and not Path(source).exists():
        source = hub.fetch()
    path = Path(source)
    if is_model_file(path):
        net = load(path)
        match = re.fullmatch(r"(.+?)(?:_(\d+(?:\.\d+)?)_\d+(?:x\d+)?)?", net.spec.name)
        assert match
        width = float(match[2]) if match[2] else 1.0
        return Weights(dict(net.state_dict()), match[1], width, str(source), net.classes, net.spec)
    return _of_another_library(_read(path), str(source))


def _of_another_library(tensors: dict[str, Tensor], source: str) -> Weights:
    found = torchvision.recognise(tensors)
    if found is None:
        names = ", ".join(list(tensors)[:3])
        raise InputError(f"{source} is not known: its first tensors are {names}; torchvision's mobilenet_v2 is read")
    return Weights(tensors, *found, source)


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.pth`, `.pt` or `.safetensors` file; nothing in it is executed."""
    if not path.is_file():
        raise InputError(f"there is no weights file at {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise InputError(f"cannot read weights from {path}: damaged, or more than plain tensors ({reason})") from None
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not hold a state dict (names of tensors and tensors)")
    return state

"""PyTorch's checkpoints, as training scripts write them: the tensors of the network in them. Nothing is executed.

Besides tensors and numbers a checkpoint may hold what scripts keep beside them: the arguments of the command line,
NumPy's numbers, paths. Types that only hold data are on a list; a file with any other is refused, and the type named.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
import pathlib
import pickle
import re
import types
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.progress import say
from pocketvision.weights.plain import plain
from pocketvision.weights.wrapping import unwrapped

HASHED = re.compile(r"-(?=\d*[a-f])([0-9a-f]{8})\.pth")  # torchvision's file names end in the start of their SHA-256
# Where training scripts keep the network, and its average over the steps (EMA, SWA), in a checkpoint.
PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params")
AVERAGED = (
    "state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema", "params_ema",
    "swa_state_dict", "swa_model",
)  # fmt: skip
ARCHITECTURE = ("arch", "architecture", "model", "model_name")  # what the network is called there, or in its arguments
ARGUMENTS = ("args", "hyper_parameters", "hparams", "config")


@dataclass(frozen=True)
class Checkpoint:
    """The tensors by their own names, and what the checkpoint calls their network; "" where it does not say."""

    tensors: dict[str, Tensor]
    architecture: str = ""


def read(path: Path) -> Checkpoint:
    """The network in a `.pth`, `.pt`, `.bin`, `.ckpt` or `.safetensors` file.

    Of a checkpoint with averaged weights (EMA, SWA) these are taken, and it is said. InputError when the file is
    damaged, holds more than data, or no network.
    """
    content = _content(path)
    return of_content(content, str(path))


def of_content(content: Any, source: str) -> Checkpoint:
    """The network in what was read from a file, `source` for messages. InputError when there is none."""
    return Checkpoint(_network(content, source), _architecture(content))


def _content(path: Path) -> Any:
    _check_bytes(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(_harmless()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean; none of it is executed
        reason = type(error).__name__
        if not isinstance(error, pickle.UnpicklingError):  # whose text advises to run what is in the file
            reason = " ".join(str(error).split())[:120] or reason
        elif refused := _refused_types(path):
            reason = f"it holds {refused}: save the network's state_dict() alone"
    raise InputError(f"cannot read weights from {path}: damaged, or more than plain tensors ({reason})")


def _check_bytes(path: Path) -> None:
    """InputError where checksums tell that the bytes are not those that were written.

    Files since PyTorch 1.6 are zip archives with checksums of their own. Older ones have none but, as downloaded, in
    their names; a name may however end in eight such digits by chance (a commit, the number of a run).
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise InputError(f"{path} is damaged (the checksum of {damaged} in it does not fit): copy it again")
        return
    named = HASHED.search(path.name)
    if named and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(named[1]):
        raise InputError(
            f"{path} is not the file that its name promises (SHA-256 {named[1]}...): cut off or altered; "
            "where the name means something else, rename it"
        )


def _plain_dict(*_: Any) -> dict[Any, Any]:
    """In a defaultdict's place, whose items PyTorch's reader does not set."""
    return {}


def _harmless() -> list[Any]:
    """Types that only hold data, for `torch.serialization.safe_globals`; a pair says under which name another stands.

    Paths become pure ones, which touch no file, and are known on every system.
    """
    multiarray: Any = importlib.import_module("numpy._core.multiarray")
    kinds = {type(np.dtype(kind)) for kind in np.typecodes["All"]}
    found: list[Any] = [
        argparse.Namespace, types.SimpleNamespace, (_plain_dict, "collections.defaultdict"), list, dict, tuple,
        datetime.datetime, datetime.timedelta, np.ndarray, np.dtype, *kinds, torch.torch_version.TorchVersion,
    ]  # fmt: skip
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and 2
        found += [(getattr(multiarray, name), f"{module}.{name}") for name in ("scalar", "_reconstruct")]
    for module in ("pathlib", "pathlib._local"):
        found += [(pathlib.PurePosixPath, f"{module}.{name}") for name in ("PosixPath", "PurePosixPath")]
        found += [(pathlib.PureWindowsPath, f"{module}.{name}") for name in ("WindowsPath", "PureWindowsPath")]
    return found


def _refused_types(path: Path) -> str:
    """The types in a file that are not on the list, for people; "" where its pickle cannot be followed."""
    try:
        with torch.serialization.safe_globals(_harmless()):
            refused = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            return ", ".join(sorted(refused, key=lambda name: name.startswith("torch.nn"))[:3])  # the own class first
    except Exception:  # damaged in whatever way, or an old file, whose types PyTorch does not list
        return ""


def _network(content: Any, source: str) -> dict[str, Tensor]:
    places = content if isinstance(content, Mapping) else {}
    found = {key: _tensors(places.get(key), source) for key in (*PLAIN, *AVERAGED)}
    plain = next((key for key in PLAIN if found[key]), "")
    averaged = next((key for key in AVERAGED if found[key]), "")
    if plain and averaged:
        if found[plain].keys() == found[averaged].keys():
            say(f"{source}: its averaged weights ({averaged}) are taken, not those of the last step ({plain})")
            return found[averaged]
        say(f"{source}: its averaged weights ({averaged}) name other tensors than {plain}, which is taken")
    tensors = found[plain or averaged] if plain or averaged else _tensors(content, source)
    if not tensors:
        raise InputError(f"{source} holds no network: give a state dict, tensors by their names")
    return tensors


def _tensors(content: Any, source: str) -> dict[str, Tensor]:
    """The state dict that `content` is, without what wrapped the network; none where it is something else."""
    if not isinstance(content, Mapping) or not content:
        return {}
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        return {}
    return unwrapped(plain(content, source), source)


def _architecture(content: Any) -> str:
    """What a checkpoint calls its network: `arch` (timm), or the argument of the command line (torchvision)."""
    if not isinstance(content, Mapping):
        return ""
    arguments = [content.get(key) for key in ARGUMENTS]
    for place in (content, *(vars(item) if hasattr(item, "__dict__") else item for item in arguments)):
        if isinstance(place, Mapping):
            found = next((place[key] for key in ARCHITECTURE if isinstance(place.get(key), str)), "")
            if found:
                return str(found)
    return ""

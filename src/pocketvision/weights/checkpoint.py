"""PyTorch's checkpoints, as training scripts write them: the tensors of the network in them. Nothing is executed.

Besides tensors and numbers a checkpoint may hold what scripts keep beside them: the arguments of the command line,
NumPy's numbers, paths. Types that only hold data are on a list (`harmless`); a file with any other is refused, and the
type named.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.progress import say
from pocketvision.weights.harmless import harmless, refused
from pocketvision.weights.plain import plain
from pocketvision.weights.wrapping import PAIR, chosen, unwrapped

HASHED = re.compile(r"-(?=\d*[a-f])([0-9a-f]{8})\.pth")  # torchvision's file names end in the start of their SHA-256
# Where training scripts keep the network, and its average over the steps (EMA, SWA), in a checkpoint.
PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "weights", "module")
AVERAGED = (
    "state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema", "params_ema",
    "swa_state_dict", "swa_model",
)  # fmt: skip
ARCHITECTURE = ("arch", "architecture", "model", "model_name")  # what the network is called there, or in its arguments
ARGUMENTS = ("args", "hyper_parameters", "hparams", "config")
DEEPEST = 4  # dictionaries within each other, down to the tensors


@dataclass(frozen=True)
class Checkpoint:
    """The tensors by their own names, what the checkpoint calls their network ("" where it does not say), and the
    arguments of the script that trained it.
    """

    tensors: dict[str, Tensor]
    architecture: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path, part: str = "") -> Checkpoint:
    """The network in a file that PyTorch or safetensors wrote, whatever it is called.

    Of a checkpoint with averaged weights (EMA, SWA) these are taken, and it is said. `part` is "student" or "teacher"
    where it holds both. InputError when the file is damaged, holds more than data, no network, or two.
    """
    return of_content(_content(path), str(path), part)


def of_content(content: Any, source: str, part: str = "") -> Checkpoint:
    """The network in what was read from a file, `source` for messages. InputError when there is none."""
    if part and not _names(content, part):
        raise InputError(f"{source} holds no {part}: leave it out")
    tensors = _network(content, source, part)
    if not tensors:
        raise InputError(f"{source} holds no network: give a state dict, tensors by their names")
    return Checkpoint(tensors, _architecture(content), _arguments(content))


def _content(path: Path) -> Any:
    _check_bytes(path)
    try:
        if _is_safetensors(path):
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(harmless()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean; none of it is executed
        reason = type(error).__name__
        if not isinstance(error, pickle.UnpicklingError):  # whose text advises to run what is in the file
            reason = " ".join(str(error).split())[:120] or reason
        elif types := refused(path, error):
            reason = f"it holds {types}: save the network's state_dict() alone"
    raise InputError(f"cannot read weights from {path}: damaged, or more than plain tensors ({reason})")


def _is_safetensors(path: Path) -> bool:
    """JSON after eight bytes, whatever the file is called: in a cache of downloads, a hash."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


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


def _network(content: Any, source: str, part: str, depth: int = 0) -> dict[str, Tensor]:
    """The tensors of the network in `content`, wherever a script put it; none where there is none."""
    tensors = _tensors(content, source, part)
    if tensors or not isinstance(content, Mapping) or depth == DEEPEST:
        return tensors
    found = {key: _network(content.get(key), source, part, depth + 1) for key in (*PLAIN, *AVERAGED, *PAIR)}
    plain = next((key for key in PLAIN if found[key]), "")
    averaged = next((key for key in AVERAGED if found[key]), "")
    if not plain and not averaged:
        pair = [key for key in PAIR if found[key]]
        return found[chosen(pair, part, source)] if pair else {}
    if plain and averaged:
        if found[plain].keys() == found[averaged].keys():
            say(f"{source}: its averaged weights ({averaged}) are taken, not those of the last step ({plain})")
            return found[averaged]
        say(f"{source}: its averaged weights ({averaged}) name other tensors than {plain}, which is taken")
    return found[plain or averaged]


def _names(content: Any, part: str, depth: int = 0) -> bool:
    """Does `content` have anything called `part`?"""
    return isinstance(content, Mapping) and any(
        part in str(key).split(".") or (depth < DEEPEST and _names(value, part, depth + 1))
        for key, value in content.items()
    )


def _tensors(content: Any, source: str, part: str) -> dict[str, Tensor]:
    """The state dict that `content` is, without what wrapped the network; none where it is something else."""
    if not isinstance(content, Mapping) or not content:
        return {}
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        return {}
    return unwrapped(plain(content, source), source, part)


def _architecture(content: Any) -> str:
    """What a checkpoint calls its network: `arch` (timm), or the argument of the command line (torchvision)."""
    if not isinstance(content, Mapping):
        return ""
    for place in (content, *(_fields(content.get(key)) for key in (*ARGUMENTS, *PLAIN))):
        found = next((place[key] for key in ARCHITECTURE if isinstance(place.get(key), str)), "")
        if found:
            return str(found)
    return ""


def _arguments(content: Any) -> Mapping[str, Any]:
    found = [_fields(content.get(key)) for key in ARGUMENTS] if isinstance(content, Mapping) else []
    return next(filter(None, found), {})


def _fields(item: Any) -> Mapping[str, Any]:
    """Of a dictionary or of a namespace."""
    return item if isinstance(item, Mapping) else getattr(item, "__dict__", {})

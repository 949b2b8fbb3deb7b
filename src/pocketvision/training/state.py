"""What a killed run needs to go on: one safetensors file after each epoch, never a pickle.

There is no random state in it: every epoch draws its randomness from (seed, epoch) alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn
from torch.optim import Optimizer

from pocketvision.data.imagefile import one_line
from pocketvision.errors import InputError
from pocketvision.files import write_atomic

KEY = "training"


def save_state(path: Path, modules: dict[str, nn.Module], optimizer: Optimizer, notes: dict[str, Any]) -> None:
    """Write the modules' and the optimiser's tensors, with `notes` (JSON) beside them, atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in modules.items():
        tensors.update({f"{prefix}/{name}": value for name, value in module.state_dict().items()})
    for index, entries in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer/{index}/{name}": value for name, value in entries.items() if value is not None})
    data = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, serialise(data, metadata={"format": "pt", KEY: json.dumps(notes)}))


def read_notes(path: Path) -> dict[str, Any]:
    """The JSON part alone. InputError when the file is damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})[KEY])
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"cannot go on from {path}: damaged ({error}); delete it to start the training again"
        ) from None


def load_state(path: Path, modules: dict[str, nn.Module], optimizer: Optimizer) -> None:
    """Put what `save_state` wrote back into the same modules and optimiser. InputError when it does not fit them."""
    try:
        _load(path, modules, optimizer)
    except (safetensors.SafetensorError, KeyError, IndexError, ValueError, RuntimeError) as error:
        raise InputError(
            f"cannot go on from {path}: it does not fit the network ({one_line(error)}); start again with --fresh"
        ) from None


def _load(path: Path, modules: dict[str, nn.Module], optimizer: Optimizer) -> None:
    groups: dict[str, dict[str, Tensor]] = {}
    with safetensors.safe_open(path, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 (not a mapping)
            prefix, name = key.split("/", 1)
            groups.setdefault(prefix, {})[name] = file.get_tensor(key)
    for prefix, module in modules.items():
        if groups.get(prefix, {}).keys() != module.state_dict().keys():  # BatchNorm would make up a counter
            raise ValueError(f"tensors of {prefix} are missing, or too many")
        module.load_state_dict(groups[prefix])
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in groups.get("optimizer", {}).items():
        index, entry = name.split("/")
        state.setdefault(int(index), {})[entry] = _laid_out_as(parameters[int(index)], value)
    kinds = {frozenset(state.get(index, {})) for index in range(len(parameters))}
    if len(kinds) != 1 or not all(kinds):
        raise ValueError("parts of the optimiser's state are missing")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """What belongs to each weight, in the order in memory and on the device of the weights.

    Files hold tensors row by row. A fused optimiser goes through weights, gradients and moments by their place in
    memory alone, so that moments in another order would meet other weights (those of channels_last convolutions).
    """
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value

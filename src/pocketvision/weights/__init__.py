"""Weights in and out: the model file, and other libraries' files converted strictly."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.network import Network
from pocketvision.weights import torchvision
from pocketvision.weights.file import fill, load, save

CLASSIFIER = "head.classifier."


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in another library's `.pth`, `.pt` or `.safetensors` file; nothing in it is executed."""
    path = Path(path)
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


def recognise(state: dict[str, Tensor], source: str = "this state dict") -> tuple[str, float]:
    """(family, width) that the weights belong to. InputError when no importer knows them."""
    found = torchvision.recognise(state)
    if found is None:
        names = ", ".join(list(state)[:3])
        raise InputError(f"{source} is not known: its first tensors are {names}; torchvision's mobilenet_v2 is read")
    return found


def load_weights(net: Network, weights: str | Path | dict[str, Any]) -> None:
    """Fill `net` from another library's weights, strictly: every tensor used, every tensor filled.

    The classifier is the one exception: with another number of classes it keeps its fresh weights, and
    with other input channels than 3 the first convolution's filters are summed (grey) or refused.
    """
    source = "this state dict" if isinstance(weights, dict) else str(weights)
    state = dict(weights) if isinstance(weights, dict) else read_state(weights)
    family, width = recognise(state, source)
    if not net.spec.name.startswith(family):
        raise InputError(f"{source} holds {family} at width {width:g}; it does not fit {net.spec.name}")
    tensors = torchvision.convert_mobilenet_v2(state, net.spec)
    _adapt_stem(tensors, net, source)
    bias = tensors.get(CLASSIFIER + "bias")
    pretrained_classes = len(bias) if bias is not None else 0
    if pretrained_classes != net.spec.head.classes:
        own = {name: tensor for name, tensor in net.state_dict().items() if name.startswith(CLASSIFIER)}
        tensors = {**tensors, **own}
    elif pretrained_classes == 1000:
        net.classes = _imagenet_classes()
    fill(net, tensors, source)
    net.provenance["pretrained"] = Path(source).name if not isinstance(weights, dict) else source


def _adapt_stem(tensors: dict[str, Tensor], net: Network, source: str) -> None:
    stem = "trunk.0.conv.weight"
    if net.spec.channels == 3 or stem not in tensors:
        return
    if net.spec.channels != 1:
        raise InputError(f"{source} has 3 input channels, the network {net.spec.channels}: 1 or 3 can be loaded")
    # A grey image given to all three colour filters at once: their sum sees the same picture.
    tensors[stem] = tensors[stem].sum(dim=1, keepdim=True)


def _imagenet_classes() -> tuple[str, ...]:
    from torchvision.models import MobileNet_V2_Weights

    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


__all__ = ["fill", "load", "load_weights", "read_state", "recognise", "save"]

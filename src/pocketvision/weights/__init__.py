"""Weights in and out: the model file, and other libraries' files converted strictly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pocketvision.data.preprocessing import SMALL
from pocketvision.errors import InputError
from pocketvision.network import Network, build_meta
from pocketvision.progress import say
from pocketvision.spec import Spec
from pocketvision.units import counted
from pocketvision.weights.check import answer_alike
from pocketvision.weights.file import fill, load, save
from pocketvision.weights.source import Weights, open_weights

CLASSIFIER = "head.classifier."
COLOURS = 3


def load_weights(
    net: Network, weights: str | Path | dict[str, Any] | nn.Module | Weights, named: bool | None = None
) -> None:
    """Fill `net` from trained weights, strictly: every tensor used, every tensor filled.

    The classifier is the one exception. When the network's classes are `named` (None: when their names are no plain
    numbers) and differ from the weights', it keeps its fresh weights, but for classes that the weights know by name,
    whose rows are taken over; else the number of classes must agree. With 1 input channel instead of 3 (colours) the
    first convolution's filters are summed, and it is said; any other number is refused.
    """
    found = open_weights(weights)
    family, width, source = found.family, found.width, found.source
    theirs, ours = found.origin, net.spec.origin
    if theirs and (ours.family != theirs.family if ours else found.foreign):
        raise InputError(f"{source} holds {family} at width {width:.4g}; it does not fit {net.spec.name}")
    tensors = found.named_for(net.spec)
    original = dict(tensors)
    same_input = _adapt_stem(tensors, net, source)
    whole = _adapt_classifier(tensors, net, found, not _are_numbers(net.classes) if named is None else named)
    fill(net, tensors, source)
    if found.module is not None and same_input and min(net.spec.size) > SMALL:
        answer_alike(net if whole else _with_classes(net.spec, original, source), found.module, source)
    _adapt_preprocessing(net, found)
    if whole:
        net.task = found.task
        if found.network and net.preprocessing == found.network.preprocessing:
            net.calibration = found.network.calibration
    net.provenance["pretrained"] = found.name


def _with_classes(spec: Spec, tensors: dict[str, Tensor], source: str) -> Network:
    """A network of `spec` with the classifier that the weights were trained with."""
    bias = tensors.get(CLASSIFIER + "bias")
    if bias is None:
        raise InputError(f"{source} has no classifier: what it answers cannot be compared; give its state dict")
    net = build_meta(replace(spec, head=replace(spec.head, classes=len(bias))))  # type: ignore[type-var]
    fill(net, tensors, source)
    return net


def _adapt_preprocessing(net: Network, weights: Weights) -> None:
    """Images are shown as the weights have seen them; grey ones as the mean of the colours."""
    if weights.network and weights.network.spec.size == net.spec.size and weights.channels == net.spec.channels:
        net.preprocessing = weights.network.preprocessing
    elif weights.looks:
        looks = weights.looks if len(weights.looks.mean) <= net.spec.channels else weights.looks.grey()
        if len(looks.mean) != net.spec.channels:
            say(f"{weights.source} does not say how its channels were shown: mean and std are taken as 0.5")
            halves = (0.5,) * net.spec.channels
            looks = replace(looks, mean=halves, std=halves)
        net.preprocessing = looks.at(net.spec.size)


def _adapt_classifier(tensors: dict[str, Tensor], net: Network, weights: Weights, named: bool) -> bool:
    """Is the classifier taken over as it is? Else its rows are changed in `tensors`; see `load_weights`."""
    bias = tensors.get(CLASSIFIER + "bias")
    trained, wanted = 0 if bias is None else len(bias), net.spec.head.classes
    names = weights.classes
    if weights.background and trained == wanted + 1:
        for name in ("weight", "bias"):
            tensors[CLASSIFIER + name] = tensors[CLASSIFIER + name][1:]
        trained, names = wanted, names[1:]
    known = {name: index for index, name in enumerate(names)}
    if trained == wanted and (not known or net.classes == names or not named):
        own = names or (_imagenet_classes() if trained == 1000 else ())
        net.classes = own if own and not named else net.classes
        return len(tensors[CLASSIFIER + "bias"]) == (0 if bias is None else len(bias))
    if not named:
        raise InputError(
            f"{weights.source} has {counted(trained, 'class', 'classes')}, {net.spec.name} {wanted}: give "
            f"--classes {trained}, "
            "or class names to train for"
        )
    for name in ("weight", "bias"):
        own = net.state_dict()[CLASSIFIER + name].clone()
        for row, label in enumerate(net.classes):
            if label in known:
                own[row] = tensors[CLASSIFIER + name][known[label]]
        tensors[CLASSIFIER + name] = own
    return False


def _are_numbers(classes: tuple[str, ...]) -> bool:
    """Nobody has named the classes yet."""
    return classes == tuple(str(index) for index in range(len(classes)))


def _adapt_stem(tensors: dict[str, Tensor], net: Network, source: str) -> bool:
    """Does the first convolution see what it saw in training? Else, of grey images, the sum of its filters."""
    stem = "trunk.0.conv.weight"
    if stem not in tensors or tensors[stem].shape[1] == net.spec.channels:
        return True
    trained = tensors[stem].shape[1]
    if (trained, net.spec.channels) != (COLOURS, 1):
        raise InputError(
            f"{source} has {counted(trained, 'input channel')}, the network {net.spec.channels}: give --channels "
            f"{trained}" + (" or 1" if trained == COLOURS else "")
        )
    say(f"{source} was trained on colours: grey images are seen with the sum of its first filters")
    # A grey image given to all three colour filters at once: their sum sees the same picture.
    tensors[stem] = tensors[stem].sum(dim=1, keepdim=True)
    return False


def _imagenet_classes() -> tuple[str, ...]:
    from torchvision.models import MobileNet_V2_Weights

    return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])


__all__ = ["Weights", "fill", "load", "load_weights", "open_weights", "save"]

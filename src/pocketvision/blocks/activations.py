"""Activations and gates by the names that the papers' tables use."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["linear", "relu", "relu6", "hswish"]
Gate = Literal["sigmoid", "hsigmoid", "hswish"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,  # x * ReLU6(x + 3) / 6, MobileNetV3 section 5.2
}

GATES: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,  # SENet, MnasNet
    "hsigmoid": nn.Hardsigmoid,  # ReLU6(x + 3) / 6, MobileNetV3
    "hswish": nn.Hardswish,
}


def activation(name: Activation) -> nn.Module:
    """A fresh activation module, in place where it has a choice: it always follows a BatchNorm or Linear of its own."""
    return nn.Identity() if name == "linear" else ACTIVATIONS[name](inplace=True)


def gate(name: Gate) -> nn.Module:
    """A fresh gate of squeeze-and-excite."""
    return GATES[name]()

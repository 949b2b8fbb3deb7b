"""What an importer says of foreign weights: which network, how its modules are called there, and what else differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.spec import Spec
from pocketvision.weights.looks import HALVES, Looks
from pocketvision.weights.readings import Reading

__all__ = ["HALVES", "Looks", "Pairs", "Recognised", "Tensors", "bneck_parts", "conv_bn", "conventions"]

Tensors = Mapping[str, Tensor]
Pairs = Iterator[tuple[str, str]]  # (module by their name, the same by ours): each tensor in it is called alike in both


def _same(spec: Spec) -> Spec:
    return spec


@dataclass(frozen=True)
class Recognised:
    """The network that foreign tensors are of.

    `names` pairs their modules with those of a spec, `stem` is their first convolution; `adapt` gives a spec what the
    source does otherwise (padding, epsilon, activations). `option` is the family's own dial, `resolution` the side (or
    height and width) it was trained at, px. `background`: the first class is "nothing". `tensors` replaces the
    source's, where they had to be changed. `readings` are the networks that share these tensors, if several.
    """

    family: str
    width: float
    names: Callable[[Spec], Pairs]
    stem: str
    adapt: Callable[[Spec], Spec] = _same
    looks: Looks = Looks()
    option: Any = None
    resolution: int | tuple[int, int] | None = None
    background: bool = False
    tensors: Tensors | None = None
    readings: tuple[Reading, ...] = ()

    def channels(self, tensors: Tensors) -> int:
        """Input channels that the tensors were trained on. InputError where the first convolution is not there."""
        stem = tensors.get(f"{self.stem}.weight")
        if stem is None or stem.ndim != 4:
            raise InputError(f"there is no convolution {self.stem} to begin with: the weights are damaged")
        return stem.shape[1]


def conventions(**changes: Any) -> Callable[[Spec], Spec]:
    """An `adapt` that only changes the spec's conventions."""
    return lambda spec: replace(spec, conventions=replace(spec.conventions, **changes))


def conv_bn(conv: str, bn: str, ours: str) -> Pairs:
    """A convolution and its BatchNorm."""
    yield conv, f"{ours}.conv"
    yield bn, f"{ours}.bn"


def bneck_parts(expands: bool) -> list[str]:
    """The convolutions of an inverted residual in order; without expansion there are two."""
    return ["expand", "depthwise", "project"] if expands else ["depthwise", "project"]

"""How a network is taken apart to be counted and timed: the rows of its table, and the leaf modules inside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
POOLINGS = (
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
)


class Part(NamedTuple):
    """A row of the trunk by its index, or the head; `kind` as the spec's table names it, else the module's class."""

    row: int | str
    kind: str
    module: nn.Module


def parts(net: nn.Module) -> list[Part]:
    """The trunk's rows in order, then "head". A module that has no trunk is one row, 0."""
    trunk, head = getattr(net, "trunk", None), getattr(net, "head", None)
    if not isinstance(trunk, nn.Sequential) or not isinstance(head, nn.Module):
        return [Part(0, type(net).__name__, net)]
    spec = getattr(net, "spec", None)
    lines = (*spec.trunk, spec.head) if spec is not None else (*trunk, head)
    names: list[int | str] = [*range(len(trunk)), "head"]
    return [
        Part(name, type(line).__name__, module) for name, line, module in zip(names, lines, [*trunk, head], strict=True)
    ]


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that have no modules inside, each once."""
    return (leaf for leaf in module.modules() if next(leaf.children(), None) is None)


def kind_of(leaf: nn.Module) -> str:
    """One of KINDS. A 1x1 convolution is pointwise wherever it stands, in a squeeze-and-excite gate too."""
    if isinstance(leaf, nn.Conv2d):
        if leaf.groups == leaf.in_channels > 1:
            return "depthwise"
        return "pointwise" if leaf.kernel_size == (1, 1) else "convolution"
    if isinstance(leaf, nn.Linear):
        return "dense"
    if isinstance(leaf, NORMALISATIONS):
        return "normalisation"
    if isinstance(leaf, POOLINGS):
        return "pooling"
    return "activation" if type(leaf).__module__ == "torch.nn.modules.activation" else "elementwise"

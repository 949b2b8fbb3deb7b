"""Names of torchvision's networks -> ours. Tensors are taken as they are: both build the same convolutions."""

from __future__ import annotations

import re

from torch import Tensor

from pocketvision.blocks import Bneck
from pocketvision.spec import Spec

_CONV_BN = {"0": "conv", "1": "bn"}


def recognise(state: dict[str, Tensor]) -> tuple[str, float] | None:
    """(family, width) of a torchvision state dict that we can convert, else None."""
    stem, last = state.get("features.0.0.weight"), state.get("features.18.0.weight")
    if stem is None or last is None or "features.17.conv.3.weight" not in state:
        return None
    # Below width 1 the last convolution keeps 1280 channels; the one before it tells the width.
    return "mobilenet_v2", last.shape[1] / 320


def convert_mobilenet_v2(state: dict[str, Tensor], spec: Spec) -> dict[str, Tensor]:
    """torchvision `MobileNetV2` state dict -> ours. Names that do not belong there are kept, to be reported."""
    return {_rename(name, spec): tensor for name, tensor in state.items()}


def _rename(name: str, spec: Spec) -> str:
    if name.startswith("classifier.1."):
        return name.replace("classifier.1.", "head.classifier.")
    match = re.fullmatch(r"features\.(\d+)\.(.+)", name)
    if not match or int(match[1]) >= len(spec.trunk):
        return name
    index, rest = int(match[1]), match[2]
    row = spec.trunk[index]
    if isinstance(row, Bneck):
        # conv.0 = expand, conv.1 = depthwise, conv.2 + conv.3 = project; without expansion all move up by one.
        parts = (
            ["expand", "depthwise", "project"] if row.expand != spec.trunk[index - 1].out else ["depthwise", "project"]
        )
        inner = re.fullmatch(r"conv\.(\d+)\.(.+)", rest)
        if not inner:
            return name
        place, tail = int(inner[1]), inner[2]
        if place < len(parts) - 1:
            layer, _, field = tail.partition(".")
            return f"trunk.{index}.{parts[place]}.{_CONV_BN.get(layer, layer)}.{field}"
        return f"trunk.{index}.project.{'conv' if place == len(parts) - 1 else 'bn'}.{tail}"
    layer, _, field = rest.partition(".")
    return f"trunk.{index}.{_CONV_BN.get(layer, layer)}.{field}"

"""pytorchcv's ShuffleNet and SqueezeNet (github.com/osmr/pytorchcv): how their modules are called."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from pocketvision.blocks import Fire, MaxPool, ShuffleV1
from pocketvision.spec import Spec
from pocketvision.weights.readings import Reading
from pocketvision.weights.recognised import Pairs, Recognised, Tensors, conv_bn, conventions

STEM = "features.init_block.conv"
SHORTCUTS = (
    Reading("squeezenet_v1_0", "squeezenet_v1_[01]", "no shortcuts", lambda found: replace(found, option="none")),
    Reading("squeezeresnet_v1_0", "squeezeresnet_v1_[01]", "shortcuts", lambda found: replace(found, option="simple")),
)
DEFAULTS = conventions(bn_eps=1e-5, bn_momentum=0.1)


def recognise(state: Tensors) -> Recognised | None:
    """The network that a state dict of pytorchcv is of, else None.

    Whether a SqueezeNet has shortcuts is not in its tensors: its name says so, or the live network.
    """
    stem = state.get(f"{STEM}.weight")
    if stem is None:
        return None
    grouped = state.get("features.stage1.unit2.compress_conv1.weight")
    if grouped is not None and "features.stage3.unit4.expand_conv3.weight" in state:
        # All channels go in, those of one group are seen; the bottleneck is a quarter of what comes out, and goes in.
        groups = 4 * grouped.shape[0] // grouped.shape[1]
        return Recognised("shufflenet_v1", stem.shape[0] / 24, shufflenet, STEM, DEFAULTS, option=groups)
    if "features.stage1.unit1.squeeze.conv.weight" in state:
        family, full = ("squeezenet_1.0", 96) if stem.shape[2] == 7 else ("squeezenet_1.1", 64)
        return Recognised(family, stem.shape[0] / full, squeezenet, STEM, readings=SHORTCUTS)
    return None


def of_module(module: nn.Module, state: Tensors) -> Recognised | None:
    """As `recognise`, for a live network, whose fire units tell whether they have shortcuts."""
    found = recognise(state)
    if found is None or not found.family.startswith("squeezenet"):
        return found
    bypassed = any(getattr(part, "residual", False) is True for part in module.modules())
    return replace(found, option="simple" if bypassed else "none", readings=())


def shufflenet(spec: Spec) -> Pairs:
    yield from conv_bn("features.init_block.conv", "features.init_block.bn", "trunk.0")
    stage, unit = 0, 0
    for i, row in enumerate(spec.trunk):
        if isinstance(row, ShuffleV1):
            stage, unit = (stage + 1, 1) if row.out != spec.trunk[i - 1].out else (stage, unit + 1)
            theirs, ours = f"features.stage{stage}.unit{unit}", f"trunk.{i}"
            yield from conv_bn(f"{theirs}.compress_conv1", f"{theirs}.compress_bn1", f"{ours}.reduce")
            yield from conv_bn(f"{theirs}.dw_conv2", f"{theirs}.dw_bn2", f"{ours}.depthwise")
            yield from conv_bn(f"{theirs}.expand_conv3", f"{theirs}.expand_bn3", f"{ours}.expand")
    yield "output", "head.classifier"


def squeezenet(spec: Spec) -> Pairs:
    yield "features.init_block.conv", "trunk.0.conv"
    stage, unit = 0, 0
    for i, row in enumerate(spec.trunk):
        if isinstance(row, MaxPool):
            stage, unit = stage + 1, 0
        elif isinstance(row, Fire):
            unit += 1
            for part in ("squeeze", "expand1x1", "expand3x3"):
                yield f"features.stage{stage}.unit{unit}.{part}.conv", f"trunk.{i}.{part}.conv"
    yield "output.final_conv", "head.classifier"

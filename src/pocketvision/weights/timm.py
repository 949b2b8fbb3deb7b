"""timm's networks (huggingface/pytorch-image-models): how their modules are called, and how to tell them apart.

Those of its EfficientNet builder share their names; what blocks there are says which network it is. The preprocessing
is that of timm's pretrained configurations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from pocketvision.blocks import Bneck, Bottleneck, Conv, MaxPool, Separable, Sepconv, Xblock
from pocketvision.blocks.change import with_activation
from pocketvision.spec import Row, Spec, make_divisible
from pocketvision.weights.readings import Reading, as_it_is
from pocketvision.weights.recognised import HALVES, Looks, Pairs, Recognised, Tensors, conv_bn, conventions
from pocketvision.weights.torchvision import is_a_resnet_50, resnet_blocks

DEFAULTS = conventions(bn_eps=1e-5, bn_momentum=0.1)
TENSORFLOW = conventions(bn_eps=1e-3, bn_momentum=0.1, padding="tf_same")
BICUBIC = Looks(interpolation="bicubic", floors=True)


def as_tensorflow(found: Recognised) -> Recognised:
    """The same with TensorFlow's padding and epsilon, and images from -1 to 1."""
    known = found.adapt
    return replace(found, adapt=lambda spec: TENSORFLOW(known(spec)), looks=replace(HALVES, floors=True))


def _mobilenet_v3(size: str) -> tuple[Reading, Reading]:
    return (
        Reading(f"tf_mobilenetv3_{size}_100", f"tf_mobilenetv3_{size}_[0-9]+", "TensorFlow's padding", as_tensorflow),
        Reading(f"mobilenetv3_{size}_100", rf"(?<!tf_)mobilenetv3_({size}_[0-9]+|rw)", "PyTorch's padding", as_it_is),
    )


READINGS = {f"mobilenet_v3_{size}": _mobilenet_v3(size) for size in ("large", "small")}


@dataclass(frozen=True)
class Stack:
    """The blocks of a network in order, by the kernels of their depthwise convolutions.

    `squeezed` are the places of those with squeeze-and-excite, `out` the channels of the last at width 1. `dense`: a
    dense layer stands after the pooling.
    """

    family: str
    kernels: tuple[int, ...]
    squeezed: tuple[int, ...]
    out: int
    dense: bool = False


# fmt: off
STACKS = (
    Stack("mobilenet_v1", (3,) * 13, (), 1024),
    Stack("mobilenet_v2", (3,) * 17, (), 320),
    Stack("mobilenet_v3_large",
          (3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5), (3, 4, 5, 10, 11, 12, 13, 14), 160, True),
    Stack("mobilenet_v3_small", (3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5), (0, 3, 4, 5, 6, 7, 8, 9, 10), 96, True),
    Stack("mobilenet_v3_large_minimalistic", (3,) * 15, (), 160, True),
    Stack("mobilenet_v3_small_minimalistic", (3,) * 11, (), 96, True),
    Stack("mnasnet_a1", (3, 3, 3, 5, 5, 5, 3, 3, 3, 3, 3, 3, 5, 5, 5, 3), (3, 4, 5, 10, 11, 12, 13, 14), 320),
    Stack("mnasnet_b1", (3, 3, 3, 3, 5, 5, 5, 5, 5, 5, 3, 3, 5, 5, 5, 5, 3), (), 320),
    Stack("mnasnet_small", (3, 3, 3, 3, 5, 5, 5, 5, 3, 3, 3, 5, 5, 5, 3), tuple(range(4, 14)), 144),
)
# fmt: on


def recognise(state: Tensors) -> Recognised | None:
    """The network that a timm state dict is of, else None."""
    if "conv_stem.weight" in state:
        return _of_the_builder(state)
    if "block12.rep.4.pointwise.weight" in state and "conv4.conv1.weight" in state:
        width = state["conv4.pointwise.weight"].shape[0] / 2048
        looks = replace(HALVES, share=0.8975, interpolation="bicubic", floors=True)
        return Recognised("xception", width, xception, "conv1", DEFAULTS, looks)
    if "layer4.2.se.fc1.weight" in state and is_a_resnet_50(state):
        width = state["layer4.0.conv1.weight"].shape[0] / 512
        return Recognised("se_resnet_50", width, se_resnet, "conv1", DEFAULTS, replace(BICUBIC, share=0.95))
    if "layer4.2.se_module.fc1.weight" in state and is_a_resnet_50(state):
        width = state["layer4.0.conv1.weight"].shape[0] / 512
        return Recognised("se_resnet_50", width, legacy_se_resnet, "layer0.conv1", _as_caffe)
    return None


def of_module(module: nn.Module, state: Tensors) -> Recognised | None:
    """The network that a live one of timm's MobileNetV3 is, whose padding its tensors do not tell; else None."""
    found = recognise(state)
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d) and part.groups > 1]
    unpadded = any(part.stride != (1, 1) and part.padding == (0, 0) for part in convolutions)
    return as_tensorflow(found) if found and unpadded else found


def _of_the_builder(state: Tensors) -> Recognised | None:
    places = _blocks(state)
    depthwise = [state.get(f"{place}.conv_dw.weight") for place in places]
    if not places or any(weight is None or weight.ndim != 4 for weight in depthwise):
        return None  # other kinds of blocks, or weights that depend on the image
    kernels = tuple(weight.shape[2] for weight in depthwise if weight is not None)
    squeezed = tuple(i for i, place in enumerate(places) if f"{place}.se.conv_reduce.weight" in state)
    found = (kernels, squeezed, "conv_head.bias" in state)
    stack = next((stack for stack in STACKS if (stack.kernels, stack.squeezed, stack.dense) == found), None)
    if stack is None or (stack.family == "mobilenet_v1") == ("conv_head.weight" in state):
        return None
    last = next(key for key in ("conv_pwl", "conv_pw") if f"{places[-1]}.{key}.weight" in state)
    width = state[f"{places[-1]}.{last}.weight"].shape[0] / stack.out
    adapt, looks = DEFAULTS, BICUBIC
    if stack.family == "mobilenet_v1":
        adapt, share = _with_relu6, 0.875 if width <= 1 else 0.9
        looks = replace(BICUBIC, mean=HALVES.mean, std=HALVES.std, share=share)
    elif stack.family.endswith("minimalistic"):
        adapt, looks = TENSORFLOW, HALVES
    elif stack.dense:
        adapt = _with_stem(state["conv_stem.weight"].shape[0])
    readings = READINGS.get(stack.family, ())
    names = partial(builder, places=places)
    return Recognised(stack.family, width, names, "conv_stem", adapt, looks, readings=readings)


def _blocks(state: Tensors) -> list[str]:
    """`blocks.0.0` and so on, in order; without MobileNetV3's last, which is a mere convolution."""
    found = {tuple(map(int, match.groups())) for key in state if (match := re.match(r"blocks\.(\d+)\.(\d+)\.", key))}
    places = [f"blocks.{stage}.{index}" for stage, index in sorted(found)]
    return [place for place in places if f"{place}.conv.weight" not in state]


def _with_relu6(spec: Spec) -> Spec:
    return replace(DEFAULTS(spec), trunk=with_activation(spec.trunk, "relu6"))


def _with_stem(out: int) -> Callable[[Spec], Spec]:
    """timm's thin MobileNetV3 keep a stem of 16 channels, on which the first block works without expansion."""

    def adapt(spec: Spec) -> Spec:
        stem, first, *rest = spec.trunk
        assert isinstance(stem, Conv) and isinstance(first, Bneck)
        if first.expand == stem.out:
            first = replace(first, expand=out, squeeze=make_divisible(out / 4) if first.squeeze else 0)
        return DEFAULTS(replace(spec, trunk=(replace(stem, out=out), first, *rest)))

    return adapt


def _as_caffe(spec: Spec) -> Spec:
    """The stride in the first 1x1, and max pooling whose last window hangs over the edge (timm's models/senet.py)."""

    def changed(row: Row) -> Row:
        if isinstance(row, MaxPool):
            return replace(row, padding=0, ceil=True)
        return replace(row, early=True) if isinstance(row, Bottleneck) else row

    return DEFAULTS(replace(spec, trunk=tuple(map(changed, spec.trunk))))


def builder(spec: Spec, places: list[str]) -> Pairs:
    """The networks of the EfficientNet builder; `places` are their blocks."""
    yield from conv_bn("conv_stem", "bn1", "trunk.0")
    rows, dense = spec.trunk, bool(getattr(spec.head, "dense", ()))
    for i, theirs in enumerate(places, 1):
        row, ours = rows[i], f"trunk.{i}"
        if isinstance(row, Separable):
            yield from conv_bn(f"{theirs}.conv_dw", f"{theirs}.bn1", f"{ours}.depthwise")
            yield from conv_bn(f"{theirs}.conv_pw", f"{theirs}.bn2", f"{ours}.pointwise")
        elif isinstance(row, Bneck):
            wide = row.expand != rows[i - 1].out
            layers = ["conv_pw", "conv_dw", "conv_pwl"] if wide else ["conv_dw", "conv_pw"]
            parts = ["expand", "depthwise", "project"] if wide else ["depthwise", "project"]
            for k, (layer, part) in enumerate(zip(layers, parts, strict=True), 1):
                yield from conv_bn(f"{theirs}.{layer}", f"{theirs}.bn{k}", f"{ours}.{part}")
            yield f"{theirs}.se.conv_reduce", f"{ours}.squeeze.reduce"
            yield f"{theirs}.se.conv_expand", f"{ours}.squeeze.restore"
    last = len(places) + 1
    if dense:
        theirs = f"blocks.{int(places[-1].split('.')[1]) + 1}.0"
        yield from conv_bn(f"{theirs}.conv", f"{theirs}.bn1", f"trunk.{last}")
        yield "conv_head", "head.dense.0.0"
    elif last < len(rows):
        yield from conv_bn("conv_head", "bn2", f"trunk.{last}")
    yield "classifier", "head.classifier"


def xception(spec: Spec) -> Pairs:
    convolution, block = 0, 0
    for i, row in enumerate(spec.trunk):
        ours = f"trunk.{i}"
        if isinstance(row, Xblock):
            block += 1
            yield from conv_bn(f"block{block}.skip", f"block{block}.skipbn", f"{ours}.shortcut")
            for k in range(len(row.widths)):  # activation, separable convolution, BatchNorm, and so on
                at = 3 * k + (1 if row.activate else 0)
                yield f"block{block}.rep.{at}.conv1", f"{ours}.layers.{k}.depthwise"
                yield f"block{block}.rep.{at}.pointwise", f"{ours}.layers.{k}.pointwise"
                yield f"block{block}.rep.{at + 1}", f"{ours}.layers.{k}.bn"
            continue
        convolution += 1
        if isinstance(row, Sepconv):
            yield f"conv{convolution}.conv1", f"{ours}.depthwise"
            yield f"conv{convolution}.pointwise", f"{ours}.pointwise"
            yield f"bn{convolution}", f"{ours}.bn"
        else:
            yield from conv_bn(f"conv{convolution}", f"bn{convolution}", ours)
    yield "fc", "head.classifier"


def se_resnet(spec: Spec) -> Pairs:
    yield from conv_bn("conv1", "bn1", "trunk.0")
    yield from _se_resnet_blocks(spec, "se")
    yield "fc", "head.classifier"


def legacy_se_resnet(spec: Spec) -> Pairs:
    yield from conv_bn("layer0.conv1", "layer0.bn1", "trunk.0")
    yield from _se_resnet_blocks(spec, "se_module")
    yield "last_linear", "head.classifier"


def _se_resnet_blocks(spec: Spec, attention: str) -> Pairs:
    for theirs, ours in resnet_blocks(spec):
        yield theirs, ours
        if ours.endswith(".expand.bn"):
            block, row = theirs.removesuffix(".bn3"), ours.removesuffix(".expand.bn")
            yield f"{block}.{attention}.fc1", f"{row}.squeeze.reduce"
            yield f"{block}.{attention}.fc2", f"{row}.squeeze.restore"

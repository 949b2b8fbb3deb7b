"""torchvision's networks: how their modules are called, and how to tell them apart."""

from __future__ import annotations

from dataclasses import replace

from pocketvision.blocks import Bneck, Bottleneck, Fire, ShuffleV2
from pocketvision.blocks.change import with_activation
from pocketvision.spec import Spec
from pocketvision.weights.readings import Reading, as_it_is
from pocketvision.weights.recognised import Looks, Pairs, Recognised, Tensors, bneck_parts, conv_bn, conventions

NEWER = Looks(share=224 / 232)  # what torchvision's later recipe validates with
DEFAULTS = conventions(bn_eps=1e-5, bn_momentum=0.1)


def _with_relu(found: Recognised) -> Recognised:
    """torchvision.models.quantization replaces ReLU6 before anything is quantised."""
    return replace(found, adapt=lambda spec: DEFAULTS(replace(spec, trunk=with_activation(spec.trunk, "relu"))))


MOBILENETS_V2 = (
    Reading("quantized_mobilenet_v2", "quantized_mobilenet_?v2", "ReLU", _with_relu),
    Reading("mobilenet_v2", "(?<!quantized_)mobilenet_?v2", "ReLU6", as_it_is, usual=True),
)
CAFFES = "caffe|msra|detectron"
# "resnet50_v1" alone is torchvision's first weights to some, and the paper's strides to others: it tells nothing.
PLAIN = rf"(tv_|gluon_|ssl_|swsl_)?resnet_?50(_v1b|_v1[._]5)?(?!_v1(?![a-z0-9]))(?!\w*({CAFFES}))"
RESNETS = (
    Reading(
        "resnet50_caffe", rf"({CAFFES})\w*_resnet_?50|resnet_?50\w*_({CAFFES})\w*", "strides in the first 1x1", None
    ),
    Reading("resnet50", PLAIN, "strides in the 3x3", as_it_is),
    Reading("resnetaa50", "resnetaa50", "averages before each stride", None),
    Reading("resnetblur50", "resnetblur50", "blurs before each stride", None),
)


def recognise(state: Tensors) -> Recognised | None:
    """The network that a torchvision state dict is of, else None."""
    if "features.18.0.weight" in state and "features.17.conv.3.weight" in state:
        # Below width 1 the last convolution keeps 1280 channels; the one before it tells the width.
        width = state["features.18.0.weight"].shape[1] / 320
        return Recognised("mobilenet_v2", width, mobilenet_v2, "features.0.0", DEFAULTS, readings=MOBILENETS_V2)
    if "features.1.block.0.0.weight" in state:
        large = "features.16.0.weight" in state
        last = state["features.16.0.weight" if large else "features.12.0.weight"] if large or _small(state) else None
        if last is not None:
            family, full = ("mobilenet_v3_large", 960) if large else ("mobilenet_v3_small", 576)
            adapt = conventions(bn_eps=1e-3, bn_momentum=0.01)
            return Recognised(family, last.shape[0] / full, mobilenet_v3, "features.0.0", adapt)
    if "stage2.0.branch2.0.weight" in state and "conv5.0.weight" in state:
        widths = {48: 0.5, 116: 1.0, 176: 1.5, 244: 2.0}
        half = state["stage2.0.branch2.0.weight"].shape[0]
        width = widths.get(2 * half, 2 * half / 116)
        looks = NEWER if width in (1.5, 2.0) else Looks()
        return Recognised("shufflenet_v2", width, shufflenet_v2, "conv1.0", DEFAULTS, looks)
    if "features.0.weight" in state and "features.3.squeeze.weight" in state:
        stem = state["features.0.weight"]
        family, full = ("squeezenet_1.0", 96) if stem.shape[2] == 7 else ("squeezenet_1.1", 64)
        return Recognised(family, stem.shape[0] / full, squeezenet, "features.0")
    if "layers.14.weight" in state and "layers.8.0.layers.0.weight" in state:
        adapt = conventions(bn_eps=1e-5, bn_momentum=0.0003)  # TensorFlow's decay 0.9997
        width = state["layers.14.weight"].shape[1] / 320
        return Recognised("mnasnet_b1", width, mnasnet, "layers.0", adapt, NEWER if width in (0.75, 1.3) else Looks())
    squeezed = any(f"layer1.0.{name}.fc1.weight" in state for name in ("se", "se_module"))
    if "layer1.0.conv1.weight" in state and not squeezed and is_a_resnet_50(state):
        width = state["layer4.0.conv1.weight"].shape[0] / 512
        return Recognised("resnet_50", width, resnet, "conv1", DEFAULTS, readings=RESNETS)
    return None


def is_a_resnet_50(state: Tensors) -> bool:
    """Are the blocks those of ResNet-50, their 3x3 neither grouped nor several?"""
    ends = ("layer1.2.conv3", "layer2.3.conv3", "layer3.5.conv3", "layer4.2.conv3")
    beyond = ("layer1.3.conv3", "layer2.4.conv3", "layer3.6.conv3", "layer4.3.conv3")
    stem = state.get("conv1.weight", state.get("layer0.conv1.weight"))  # of the networks with three, there is none
    middle = state.get("layer1.0.conv2.weight")
    grouped = middle is None or middle.shape[1] != state["layer1.0.conv1.weight"].shape[0]
    has = [f"{name}.weight" in state for name in (*ends, *beyond)]
    return stem is not None and not grouped and has == [True] * 4 + [False] * 4


def _small(state: Tensors) -> bool:
    return "features.12.0.weight" in state and "features.13.block.0.0.weight" not in state


def expands(spec: Spec, index: int) -> bool:
    """Does the inverted residual in row `index` have an expansion?"""
    row = spec.trunk[index]
    return isinstance(row, Bneck) and row.expand != spec.trunk[index - 1].out


def mobilenet_v2(spec: Spec) -> Pairs:
    for i, row in enumerate(spec.trunk):
        theirs, ours = f"features.{i}", f"trunk.{i}"
        if not isinstance(row, Bneck):
            yield from conv_bn(f"{theirs}.0", f"{theirs}.1", ours)
            continue
        *before, _ = parts = bneck_parts(expands(spec, i))
        for k, part in enumerate(before):
            yield from conv_bn(f"{theirs}.conv.{k}.0", f"{theirs}.conv.{k}.1", f"{ours}.{part}")
        yield from conv_bn(f"{theirs}.conv.{len(parts) - 1}", f"{theirs}.conv.{len(parts)}", f"{ours}.project")
    yield "classifier.1", "head.classifier"


def mobilenet_v3(spec: Spec) -> Pairs:
    for i, row in enumerate(spec.trunk):
        theirs, ours = f"features.{i}", f"trunk.{i}"
        if not isinstance(row, Bneck):
            yield from conv_bn(f"{theirs}.0", f"{theirs}.1", ours)
            continue
        parts = bneck_parts(expands(spec, i))
        if row.squeeze:
            parts.insert(-1, "squeeze")
        for k, part in enumerate(parts):
            if part == "squeeze":
                yield f"{theirs}.block.{k}.fc1", f"{ours}.squeeze.reduce"
                yield f"{theirs}.block.{k}.fc2", f"{ours}.squeeze.restore"
            else:
                yield from conv_bn(f"{theirs}.block.{k}.0", f"{theirs}.block.{k}.1", f"{ours}.{part}")
    yield "classifier.0", "head.dense.0.0"
    yield "classifier.3", "head.classifier"


def shufflenet_v2(spec: Spec) -> Pairs:
    stage, place = 1, 0
    for i, row in enumerate(spec.trunk):
        ours = f"trunk.{i}"
        if not isinstance(row, ShuffleV2):
            if i != 1:  # the max pooling has nothing to name
                theirs = "conv1" if i == 0 else "conv5"
                yield from conv_bn(f"{theirs}.0", f"{theirs}.1", ours)
            continue
        stage, place = (stage + 1, 0) if row.stride == 2 else (stage, place + 1)
        theirs = f"stage{stage}.{place}"
        if row.stride == 2:
            yield from conv_bn(f"{theirs}.branch1.0", f"{theirs}.branch1.1", f"{ours}.side.0")
            yield from conv_bn(f"{theirs}.branch1.2", f"{theirs}.branch1.3", f"{ours}.side.1")
        for k, part in ((0, "expand"), (3, "depthwise"), (5, "project")):
            yield from conv_bn(f"{theirs}.branch2.{k}", f"{theirs}.branch2.{k + 1}", f"{ours}.{part}")
    yield "fc", "head.classifier"


def squeezenet(spec: Spec) -> Pairs:
    yield "features.0", "trunk.0.conv"
    for i, row in enumerate(spec.trunk):
        if isinstance(row, Fire):
            for part in ("squeeze", "expand1x1", "expand3x3"):
                yield f"features.{i + 1}.{part}", f"trunk.{i}.{part}.conv"  # one later: their ReLU is a layer too
    yield "classifier.1", "head.classifier"


def mnasnet(spec: Spec) -> Pairs:
    yield from conv_bn("layers.0", "layers.1", "trunk.0")
    yield from conv_bn("layers.3", "layers.4", "trunk.1.depthwise")
    yield from conv_bn("layers.6", "layers.7", "trunk.1.project")
    row = 1
    for stack, blocks in enumerate((3, 3, 3, 2, 4, 1), 8):
        for block in range(blocks):
            row += 1
            for k, part in ((0, "expand"), (3, "depthwise"), (6, "project")):
                theirs = f"layers.{stack}.{block}.layers"
                yield from conv_bn(f"{theirs}.{k}", f"{theirs}.{k + 1}", f"trunk.{row}.{part}")
    yield from conv_bn("layers.14", "layers.15", f"trunk.{row + 1}")
    yield "classifier.1", "head.classifier"


def resnet(spec: Spec) -> Pairs:
    yield from conv_bn("conv1", "bn1", "trunk.0")
    yield from resnet_blocks(spec)
    yield "fc", "head.classifier"


def resnet_blocks(spec: Spec) -> Pairs:
    """`layer1.0.conv1` and so on, as torchvision and timm call them."""
    layer, place, last = 0, 0, 0
    for i, row in enumerate(spec.trunk):
        if not isinstance(row, Bottleneck):
            continue
        layer, place = (layer, place + 1) if row.out == last else (layer + 1, 0)
        cin = spec.trunk[i - 1].out
        theirs, ours, last = f"layer{layer}.{place}", f"trunk.{i}", row.out
        for k, part in enumerate(("reduce", "middle", "expand"), 1):
            yield from conv_bn(f"{theirs}.conv{k}", f"{theirs}.bn{k}", f"{ours}.{part}")
        if row.stride != 1 or cin != row.out:
            yield from conv_bn(f"{theirs}.downsample.0", f"{theirs}.downsample.1", f"{ours}.shortcut")

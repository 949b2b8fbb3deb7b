"""MobileNetV1 and V2 of Hugging Face's transformers: how their modules are called, and what their config says.

Source: `modeling_mobilenet_v1.py` and `modeling_mobilenet_v2.py` there. They are ports of TensorFlow's networks: "SAME"
padding, epsilon 0.001, ReLU6 in V1 too, -1..1, a background class before the 1000 of ImageNet. As BatchNorm's momentum
they have TensorFlow's decay of the average (0.9997, 0.997), where PyTorch wants 1 - decay: here it is that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from pocketvision.blocks import Bneck, Conv, Separable
from pocketvision.blocks.activations import Activation
from pocketvision.blocks.change import with_activation
from pocketvision.data.dataset import Task
from pocketvision.errors import InputError
from pocketvision.spec import Row, Spec, make_divisible
from pocketvision.weights.image_processor import read_looks
from pocketvision.weights.looks import numbers
from pocketvision.weights.reading import Read
from pocketvision.weights.readings import Reading, as_it_is
from pocketvision.weights.recognised import Looks, Pairs, Recognised, Tensors

ACTIVATIONS: dict[str, Activation] = {"relu": "relu", "relu6": "relu6", "hardswish": "hswish"}
UNNAMED = "LABEL_"  # what classes are called that nobody named
WITH_BACKGROUND = 1001
ROUNDING = 8  # channels: so far apart may two rules of rounding be

Config = Mapping[str, Any]


def v1_names(spec: Spec) -> Pairs:
    yield from _layer("mobilenet_v1.conv_stem", "trunk.0")
    for i, row in enumerate(spec.trunk):
        if isinstance(row, Separable):
            yield from _layer(f"mobilenet_v1.layer.{2 * i - 2}", f"trunk.{i}.depthwise")
            yield from _layer(f"mobilenet_v1.layer.{2 * i - 1}", f"trunk.{i}.pointwise")
    yield "classifier", "head.classifier"


def v2_names(spec: Spec) -> Pairs:
    yield from _layer("mobilenet_v2.conv_stem.first_conv", "trunk.0")
    for i, row in enumerate(spec.trunk):
        if isinstance(row, Bneck):
            theirs = "mobilenet_v2.conv_stem" if i == 1 else f"mobilenet_v2.layer.{i - 2}"
            if row.expand != spec.trunk[i - 1].out:
                yield from _layer(f"{theirs}.expand_1x1", f"trunk.{i}.expand")
            yield from _layer(f"{theirs}.conv_3x3", f"trunk.{i}.depthwise")
            yield from _layer(f"{theirs}.reduce_1x1", f"trunk.{i}.project")
    yield from _layer("mobilenet_v2.conv_1x1", f"trunk.{len(spec.trunk) - 1}")
    yield "classifier", "head.classifier"


def _layer(theirs: str, ours: str) -> Pairs:
    yield f"{theirs}.convolution", f"{ours}.conv"
    yield f"{theirs}.normalization", f"{ours}.bn"


@dataclass(frozen=True)
class Kind:
    """One of the two networks: its output channels at width 1, row by row, and its layer that tells the width."""

    names: Callable[[Spec], Pairs]
    depths: tuple[int, ...]
    stem: str
    last: tuple[str, int]
    momentum: float


# fmt: off
KINDS = {
    "mobilenet_v1": Kind(
        v1_names,
        (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
        "mobilenet_v1.conv_stem.convolution",
        ("mobilenet_v1.layer.25.convolution.weight", 1024),
        1 - 0.9997,
    ),
    "mobilenet_v2": Kind(
        v2_names,
        (32, 16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320, 1280),
        "mobilenet_v2.conv_stem.first_conv.convolution",
        ("mobilenet_v2.layer.15.reduce_1x1.convolution.weight", 320),
        1 - 0.997,
    ),
}
# fmt: on


def recognise(state: Tensors) -> Recognised | None:
    """The network that a state dict of transformers is of, else None; whose padding only a config, or a name, tells."""
    for family, kind in KINDS.items():
        if {f"{kind.stem}.weight", kind.last[0]} <= set(state):
            published = Reading(f"{family}_1.0_224", rf"{family}_[0-9.]+_[0-9]+", "as Google published it", as_it_is)
            other = Reading(f"a {family} with another config.json", "config.json", "whose folder is then needed", None)
            return replace(_described(state, family, {}), readings=(published, other))
    return None


def config_of(module: nn.Module) -> Config | None:
    """The config of a live network of transformers, None of any other."""
    config: Any = getattr(module, "config", None)
    theirs = any(kind.__module__.startswith("transformers.") for kind in type(module).__mro__)
    return config.to_dict() if theirs and config is not None else None


def read(tensors: Tensors, config: Config, source: str, preprocessor: Config | None = None) -> Read:
    """What the config and the preprocessor's config say of the tensors, which `source` (for messages) holds.

    InputError for another network than these two, for a variant that is none of ours, and for values of no use.
    """
    family = config.get("model_type")
    if family not in KINDS:
        raise InputError(f"{source} holds a network of transformers of type {family!r}: {' and '.join(KINDS)} are read")
    missing = {f"{KINDS[family].stem}.weight", KINDS[family].last[0], "classifier.weight"} - set(tensors)
    if missing:
        raise InputError(f"{source} is no classifier of type {family}: it has no tensor {min(missing)}")
    for key, known in (("output_stride", 32), ("first_layer_is_expansion", True)):
        if config.get(key, known) != known:
            raise InputError(f"{source} has {key} {config[key]!r}: of MobileNetV2, only {known!r} is read")
    try:
        found = _described(tensors, family, config)
        looks, resolution = found.looks, found.resolution
        if preprocessor is not None:
            looks = read_looks(preprocessor, len(found.looks.mean))
            resolution = _sides(looks.exact[0]) if looks.exact else resolution
        classes = class_names(config.get("id2label"), len(tensors["classifier.weight"]))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source} has a damaged config ({error!r}): take another copy") from None
    background = len(classes) == WITH_BACKGROUND and "background" in classes[0].lower() if classes else found.background
    task: Task = "multilabel" if config.get("problem_type") == "multi_label_classification" else "classify"
    found = replace(found, looks=looks, resolution=resolution, background=background, readings=())
    return Read(tensors, found, classes, looks, task)


def class_names(names: Any, number: int) -> tuple[str, ...]:
    """The names in an `id2label` (or a plain list of them), in order; none where nobody gave any."""
    if not names:
        return ()
    named = {str(key): str(name) for key, name in (names.items() if isinstance(names, dict) else enumerate(names))}
    found = tuple(named.get(str(index), "") for index in range(number))
    return () if len(named) != number or not all(found) or all(name.startswith(UNNAMED) for name in found) else found


def _described(state: Tensors, family: str, config: Config) -> Recognised:
    kind, (last, full) = KINDS[family], KINDS[family].last
    (width,) = numbers("depth_multiplier", config.get("depth_multiplier", state[last].shape[0] / full), positive=True)
    (eps,) = numbers("layer_norm_eps", config.get("layer_norm_eps", 1e-3), positive=True)
    act, least = config.get("hidden_act", "relu6"), int(config.get("min_depth", 8))
    first = state.get("mobilenet_v2.conv_stem.reduce_1x1.convolution.weight")
    if first is not None and first.shape[0] == state[f"{kind.stem}.weight"].shape[0]:
        raise InputError(
            f"MobileNetV2 at width {width:.4g} has no shortcut in the first block in transformers, as the paper's and "
            "ours do: its weights would give other answers; take another width"
        )
    if act not in ACTIVATIONS:
        raise InputError(f"the activation {act!r} is not known: {', '.join(ACTIVATIONS)} are read")
    changes: dict[str, Any] = {
        "padding": "tf_same" if config.get("tf_padding", True) else "torch",
        "bn_eps": eps,
        "bn_momentum": kind.momentum,
    }

    def adapt(spec: Spec) -> Spec:
        trunk = with_activation(_rows(spec, kind, width, least, state), ACTIVATIONS[act])
        return replace(spec, trunk=trunk, conventions=replace(spec.conventions, **changes))

    size = config.get("image_size")
    resolution = None if size is None else int(size) if not isinstance(size, list | tuple) else _sides(size)
    background = len(state["classifier.weight"]) == WITH_BACKGROUND if "classifier.weight" in state else False
    channels = state[f"{kind.stem}.weight"].shape[1]
    looks = Looks((0.5,) * channels, (0.5,) * channels)
    return Recognised(family, width, kind.names, kind.stem, adapt, looks, resolution=resolution, background=background)


def _sides(size: Any) -> int | tuple[int, int]:
    height, width = (int(side) for side in size)
    return height if height == width else (height, width)


def _rows(spec: Spec, kind: Kind, width: float, least: int, state: Tensors) -> tuple[Row, ...]:
    """The table with the channels of `state`, where both are of that width: transformers rounds otherwise."""
    depths = [make_divisible(depth * width) for depth in kind.depths]
    if kind.names is v2_names:
        depths[-1] = make_divisible(kind.depths[-1] * max(1.0, width))
    if [row.out for row in spec.trunk] != depths:
        return spec.trunk
    theirs = {ours: module for module, ours in kind.names(spec)}

    def channels(ours: str) -> int:
        return state[f"{theirs[ours]}.weight"].shape[0]

    rows: list[Row] = []
    for i, row in enumerate(spec.trunk):
        ours = f"trunk.{i}"
        if isinstance(row, Bneck):
            row = replace(row, expand=channels(f"{ours}.depthwise.conv"), out=channels(f"{ours}.project.conv"))
        elif isinstance(row, Separable):
            row = replace(row, out=channels(f"{ours}.pointwise.conv"))
        elif isinstance(row, Conv):
            row = replace(row, out=channels(f"{ours}.conv"))
        rows.append(row)
    fits = all(abs(row.out - max(depth, least)) <= ROUNDING for row, depth in zip(rows, depths, strict=True))
    return tuple(rows) if fits else spec.trunk

"""A network of ours as transformers' config.json, where its classes can build exactly that network.

transformers computes the channels from a depth multiplier, has ReLU or another activation everywhere, one epsilon and
one kind of padding; what it would compute is held against the rows here, by its own rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketvision.blocks import Bneck, Conv, Separable
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.spec import Row, Spec, make_divisible
from pocketvision.weights.transformers import ACTIVATIONS, KINDS

PROCESSORS = {"mobilenet_v1": "MobileNetV1ImageProcessor", "mobilenet_v2": "MobileNetV2ImageProcessor"}
CLASSES = {"mobilenet_v1": "MobileNetV1ForImageClassification", "mobilenet_v2": "MobileNetV2ForImageClassification"}
STRIDES = {
    "mobilenet_v1": (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
    "mobilenet_v2": (2, 1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1),
}
ROWS: dict[str, tuple[type, ...]] = {
    "mobilenet_v1": (Conv, *[Separable] * 13),
    "mobilenet_v2": (Conv, *[Bneck] * 17, Conv),
}
LEAST = 8  # "min_depth": channels of the thinnest layer


def family(spec: Spec) -> str | None:
    """The type of transformers that `spec` may be of: its origin's, or that whose kinds of rows it has."""
    if spec.origin is not None:
        return spec.origin.family if spec.origin.family in KINDS else None
    rows = tuple(type(row) for row in spec.trunk)
    return next((kind for kind in KINDS if rows == ROWS[kind]), None)


def modules(spec: Spec, kind: str) -> dict[str, str]:
    """Their modules -> ours."""
    return dict(KINDS[kind].names(spec))


def image_size(spec: Spec) -> int | list[int]:
    return spec.resolution if isinstance(spec.resolution, int) else list(spec.resolution)


def config(spec: Spec, kind: str) -> dict[str, Any]:
    """The config.json of the network, without its classes. InputError: transformers cannot build it, and why not."""
    act = next(iter(_activations(spec)), "")
    theirs = {ours: name for name, ours in ACTIVATIONS.items()}
    if act not in theirs:
        raise InputError(f"transformers does not have its activation {act!r}")
    if tuple(row.stride for row in spec.trunk) != STRIDES[kind]:
        raise InputError("transformers has no small-input stem, nor other strides than the paper's")
    multiplier = next((m for m in _multipliers(spec, kind) if _rows(kind, m, act) == spec.trunk), None)
    if multiplier is None:
        raise InputError("its rows are none that transformers computes from a depth multiplier")
    if kind == "mobilenet_v2" and spec.trunk[0].out == spec.trunk[1].out:
        raise InputError("transformers leaves out the shortcut of the first block, which it has at this width")
    if not isinstance(spec.head, Classifier) or spec.head.dense:
        raise InputError("transformers has nothing but a linear classifier behind the pooling")
    return {
        "architectures": [CLASSES[kind]],
        "model_type": kind,
        "num_channels": spec.channels,
        "image_size": image_size(spec),
        "depth_multiplier": multiplier,
        "min_depth": LEAST,
        "hidden_act": theirs[act],
        "tf_padding": spec.conventions.padding == "tf_same",
        "layer_norm_eps": spec.conventions.bn_eps,
        "classifier_dropout_prob": spec.head.dropout,
        **({"depth_divisible_by": 8, "expand_ratio": 6.0, "finegrained_output": True} if kind.endswith("2") else {}),
    }


def _activations(spec: Spec) -> Iterator[Any]:
    return (act for row in spec.trunk if (act := getattr(row, "act", "linear")) != "linear")


def _multipliers(spec: Spec, kind: str) -> Iterator[float]:
    """What the multiplier may be: the origin's width, as the layers tell, or near that, as rounding differs."""
    width = spec.origin.width if spec.origin else spec.trunk[-2].out / KINDS[kind].depths[-2]
    yield width
    for place in (-2, -1, 0):
        yield spec.trunk[place].out / KINDS[kind].depths[place]
    for step in range(1, 61):
        yield round(width + step / 1000, 6)
        yield round(max(0.001, width - step / 1000), 6)


def _rows(kind: str, multiplier: float, act: Any) -> tuple[Row, ...]:
    """The rows that transformers builds: `modeling_mobilenet_v1.py`, `modeling_mobilenet_v2.py`."""
    depths, strides = KINDS[kind].depths, STRIDES[kind]
    if kind == "mobilenet_v1":
        stem, *rest = [max(int(depth * multiplier), LEAST) for depth in depths]
        blocks = (Separable(3, out, act, stride) for out, stride in zip(rest, strides[1:], strict=True))
        return (Conv(3, stem, act, 2), *blocks)
    stem, *outs = [make_divisible(round(depth * multiplier)) for depth in depths]
    last = 1280 if multiplier < 1 else outs[-1]
    rows: list[Row] = [Conv(3, stem, act, 2)]
    for i, (out, stride) in enumerate(zip(outs[:-1], strides[1:-1], strict=True)):
        expand = stem if i == 0 else make_divisible(round(rows[-1].out * 6.0))
        rows.append(Bneck(3, expand, out, 0, act, stride))
    return (*rows, Conv(1, last, act, 1))

"""MobileNetV1 and V2 in TFLite files, dequantised: their layers stand in the order of execution, which is our rows'.

A quantised network has its BatchNorm folded into weights and biases. Ours gets them as a BatchNorm that only adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from pocketvision.blocks import Bneck, Separable
from pocketvision.blocks.change import with_activation
from pocketvision.errors import InputError
from pocketvision.spec import Spec
from pocketvision.units import counted
from pocketvision.weights import tflite, tflite_chain
from pocketvision.weights.recognised import Looks, Pairs, Recognised, bneck_parts
from pocketvision.weights.torchvision import expands

EPS = 1e-3
V1_LAYERS, V2_LAYERS = 28, 53
STRIDED = {
    "mobilenet_v1": (0, 3, 7, 11, 23),
    "mobilenet_v2": (0, 4, 10, 19, 40),
}  # layers with stride 2, counted from 0


def read(path: Path) -> Recognised:
    """The network in a .tflite file. InputError when it is damaged, or neither MobileNetV1 nor V2."""
    file = tflite.read(path)
    layers = file.layers
    separable = sum(layer.kind == "depthwise" for layer in layers)
    if (len(layers), separable) == (V1_LAYERS, 13):
        family, width = "mobilenet_v1", layers[-2].weight.shape[0] / 1024
    elif (len(layers), separable) == (V2_LAYERS, 17):
        family, width = "mobilenet_v2", layers[-2].weight.shape[1] / 320
    else:
        raise InputError(
            f"{path} holds {counted(len(layers), 'convolution')}, {separable} of them depthwise: of .tflite "
            "files, those of "
            "MobileNetV1 and V2 classifiers are read, and this is neither"
        )
    _refuse_other_windows(layers, family, path)
    chain = tflite_chain.follow(file, path)
    layers = chain.layers
    height, side, channels = file.input
    looks = Looks((chain.mean,) * channels, (chain.std,) * channels, crop_first=True)
    act = _acts(layers[0])
    _refuse_variants(chain, act, family, path)

    def adapt(spec: Spec) -> Spec:
        conventions = replace(spec.conventions, padding="tf_same", bn_eps=EPS)
        return replace(spec, trunk=with_activation(spec.trunk, act), conventions=conventions)  # type: ignore[arg-type]

    return Recognised(
        family, width, names, "0.conv", adapt, looks,
        resolution=height if height == side else (height, side),
        background=file.outputs == 1001, tensors=_tensors(layers),
    )  # fmt: skip


def _refuse_other_windows(layers: tuple[tflite.Layer, ...], family: str, path: Path) -> None:
    """InputError where a window moves, spreads or is padded otherwise than in the family's table, in either direction.

    The last layer is left out: after the pooling there is one place to stand on.
    """
    for k, layer in enumerate(layers[:-1]):
        wanted = {"stride": (2, 2) if k in STRIDED[family] else (1, 1), "dilation": (1, 1), "padding": "SAME"}
        for what, value in wanted.items():
            if (found := getattr(layer, what)) != value:
                raise InputError(
                    f"{path} cannot be converted: layer {k + 1} of {len(layers)} has the {what} {found}, "
                    f"where {family} has {value}; give the published network"
                )


def _acts(layer: tflite.Layer) -> tflite.Activation:
    """The activation of a layer, which a quantiser may leave to the range that the output can hold."""
    if layer.activation != "none" or layer.output_range is None or layer.output_range[0] < 0:
        return layer.activation
    return "relu6" if abs(layer.output_range[1] - 6) < 0.1 else "relu"


def _refuse_variants(chain: tflite_chain.Chain, act: tflite.Activation, family: str, path: Path) -> None:
    """InputError where activations or shortcuts are not those of the family's table."""
    layers, spindle = chain.layers, family == "mobilenet_v2"
    expected = set()
    for k, layer in enumerate(layers):
        projects = spindle and k > 0 and layers[k - 1].kind == "depthwise"
        wanted = "none" if projects or k == len(layers) - 1 else act
        found = layer.activation if wanted == "none" else _acts(layer)
        if found != wanted:
            raise InputError(
                f"{path} cannot be converted: layer {k + 1} of {len(layers)} has the activation {found}, "
                f"where {family} has {wanted}"
            )
        first = 1 if k == 2 else k - 2  # of the block that ends here; the first one does not expand
        cin = layers[first].weight.shape[0 if k == 2 else 1]
        if projects and layers[k - 1].stride == (1, 1) and cin == len(layer.bias):
            expected.add((first, k))
    if chain.shortcuts != expected:
        raise InputError(
            f"{path} cannot be converted: its ADD operators are not the {counted(len(expected), 'shortcut')} of "
            f"{family}"
        )


def names(spec: Spec) -> Pairs:
    """The convolutions of V1's and V2's tables in order, each as `K.conv` and `K.bn`."""
    for k, ours in enumerate(_convolutions(spec)):
        yield f"{k}.conv", f"{ours}.conv"
        yield f"{k}.bn", f"{ours}.bn"
    yield f"{k + 1}.conv", "head.classifier"


def _convolutions(spec: Spec) -> Iterator[str]:
    for i, row in enumerate(spec.trunk):
        if isinstance(row, Separable):
            yield from (f"trunk.{i}.depthwise", f"trunk.{i}.pointwise")
        elif isinstance(row, Bneck):
            yield from (f"trunk.{i}.{part}" for part in bneck_parts(expands(spec, i)))
        else:
            yield f"trunk.{i}"


def _tensors(layers: tuple[tflite.Layer, ...]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for k, layer in enumerate(layers[:-1]):
        nothing = torch.zeros_like(layer.bias)
        tensors[f"{k}.conv.weight"] = layer.weight
        tensors[f"{k}.bn.weight"], tensors[f"{k}.bn.bias"] = torch.ones_like(layer.bias), layer.bias
        # variance + epsilon = 1
        tensors[f"{k}.bn.running_mean"], tensors[f"{k}.bn.running_var"] = nothing, torch.full_like(nothing, 1 - EPS)
    last = layers[-1]
    tensors[f"{len(layers) - 1}.conv.weight"], tensors[f"{len(layers) - 1}.conv.bias"] = last.weight, last.bias
    return tensors

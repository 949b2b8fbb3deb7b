"""MobileNetV1 and V2 in TFLite files, dequantised: their layers stand in the order of execution, which is our rows'.

A quantised network has its BatchNorm folded into weights and biases. Ours gets them as a BatchNorm that only adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from pocketvision.blocks import Bneck, Separable
from pocketvision.blocks.change import with_activation
from pocketvision.errors import InputError
from pocketvision.spec import Spec
from pocketvision.weights import tflite
from pocketvision.weights.recognised import Looks, Pairs, Recognised, bneck_parts
from pocketvision.weights.torchvision import expands

EPS = 1e-3
V1_LAYERS, V2_LAYERS = 28, 53
STRIDE = 32


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
            f"{path} holds {len(layers)} convolutions, {separable} of them depthwise: of .tflite files, those of "
            "MobileNetV1 and V2 classifiers are read, and this is neither"
        )
    strides = prod(layer.stride[0] for layer in layers)
    if strides != STRIDE or any(layer.padding != "SAME" or layer.dilation != (1, 1) for layer in layers[:-1]):
        raise InputError(
            f"{path} is a variant of {family} with other strides, padding or dilation: it cannot be converted"
        )
    height, side, channels = file.input
    scale, zero = file.input_scale or 1 / 127.5, file.input_zero_point if file.input_scale else 127.5
    assert zero is not None
    mean, std = zero / 255, 1 / (255 * scale)
    looks = Looks((mean,) * channels, (std,) * channels, crop_first=True)
    # A quantiser may leave the ReLU6 to the range that the output can hold.
    highest = layers[0].output_range[1] if layers[0].output_range else 0.0
    act = "relu6" if layers[0].activation == "relu6" or abs(highest - 6) < 0.1 else "relu"

    def adapt(spec: Spec) -> Spec:
        conventions = replace(spec.conventions, padding="tf_same", bn_eps=EPS)
        return replace(spec, trunk=with_activation(spec.trunk, act), conventions=conventions)  # type: ignore[arg-type]

    return Recognised(
        family, width, names, "0.conv", adapt, looks,
        resolution=height if height == side else (height, side),
        background=file.outputs == 1001, tensors=_tensors(layers),
    )  # fmt: skip


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

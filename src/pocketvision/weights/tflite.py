"""The convolutions in a .tflite file, dequantised to float32 in PyTorch's layout. TensorFlow is not needed.

A .tflite file is one FlatBuffer; the numbers of the fields are those of TensorFlow Lite's `schema.fbs`. The quantised
numbers mean real = scale * (q - zero_point) (arXiv 1712.05877, equation 1). Every position that the file names is
checked against its length before it is followed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.files import read_whole

Kind = Literal["conv", "depthwise", "dense"]
Padding = Literal["SAME", "VALID"]
Activation = Literal["none", "relu", "relu6"]

_NUMBERS = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 7: "<i2", 9: "i1"}  # TensorType -> NumPy's
_FLOATS = (0, 1)
_RANGES = {3: (0, 255), 7: (-32768, 32767), 9: (-128, 127)}  # TensorType -> the numbers it can hold
_KINDS: dict[int, Kind] = {3: "conv", 4: "depthwise", 9: "dense"}  # BuiltinOperator
_PADDINGS: dict[int, Padding] = {0: "SAME", 1: "VALID"}
_ACTIVATIONS: dict[int, Activation] = {0: "none", 1: "relu", 3: "relu6"}  # ActivationFunctionType

# Of Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions: the field of the fused activation.
_ACTIVATION_FIELD: dict[Kind, int] = {"conv": 3, "depthwise": 4, "dense": 0}
# The axes of the file's weights, as PyTorch orders them; and their output channels, before that.
_LAYOUT: dict[Kind, tuple[int, ...]] = {"conv": (0, 3, 1, 2), "depthwise": (3, 0, 1, 2), "dense": (0, 1)}
_OUTPUTS: dict[Kind, int] = {"conv": 0, "depthwise": 3, "dense": 0}


@dataclass(frozen=True, eq=False)
class Layer:
    """One convolution or dense layer; `weight` is O x I x H x W, depthwise C x 1 x H x W, dense O x I; `bias` is O.

    `stride` and `dilation` are height, width. Quantised networks clamp twice: by the `activation` (MobileNets have
    their ReLU6 fused) and by `output_range`, the least and the largest value that the quantised output can hold. A
    quantiser may leave the activation to the range alone. None: the output is float.
    """

    kind: Kind
    weight: Tensor
    bias: Tensor
    stride: tuple[int, int]
    padding: Padding
    activation: Activation
    output_range: tuple[float, float] | None
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class TFLite:
    """`layers` in the order of execution, `input` height, width, channels, and `outputs`, the last axis of the output.

    The network sees (pixel - `input_zero_point`) * `input_scale` where its input is quantised, which for float inputs
    are None.
    """

    layers: tuple[Layer, ...]
    input: tuple[int, int, int]
    outputs: int
    input_scale: float | None
    input_zero_point: int | None


def read(path: str | Path) -> TFLite:
    """The layers of the first graph in a .tflite file; nothing in it is executed.

    InputError when the file is missing, cut off, damaged, no .tflite file, or has a layer that cannot be converted.
    """
    path = Path(path)
    data = read_whole(path)
    if data[4:8] != b"TFL3":
        raise InputError(f"{path} is not a .tflite file (it has no TFL3 at byte 4): give a TensorFlow Lite model")
    try:
        return _Reader(data).read()
    except _Unknown as error:
        raise InputError(f"{path} cannot be converted: {error}; give a plain convolutional network") from None
    except ValueError as error:
        raise InputError(f"{path} is cut off or damaged ({error}): download or copy it again") from None


class _Unknown(Exception):
    """The file is sound, but has what we do not convert."""


class _Bytes:
    """The file, read at checked positions only."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, kind: str, position: int) -> Any:
        if not 0 <= position <= len(self.data) - struct.calcsize(kind):
            raise ValueError(f"it names byte {position:,} of {len(self.data):,}")
        return struct.unpack_from(kind, self.data, position)[0]

    def follow(self, position: int) -> int:
        """Where the offset that stands at `position` leads."""
        return position + self.number("<I", position)

    def array(self, position: int, kind: str) -> np.ndarray[Any, Any]:
        """The vector at `position`: its length, then its numbers."""
        length, size = self.number("<I", position), np.dtype(kind).itemsize
        if length * size > len(self.data) - position - 4:
            raise ValueError(f"{length:,} entries at byte {position:,} of {len(self.data):,}")
        return np.frombuffer(self.data, kind, length, position + 4)


class _Table:
    """A FlatBuffer table: fields by number, each of them possibly left out."""

    def __init__(self, source: _Bytes, position: int) -> None:
        self.source, self.position = source, position
        self.fields = position - source.number("<i", position)
        self.size = source.number("<H", self.fields)

    def place(self, field: int) -> int:
        """Where the field's content stands; 0 when it was left out."""
        entry = 4 + 2 * field
        offset = self.source.number("<H", self.fields + entry) if entry + 2 <= self.size else 0
        return self.position + offset if offset else 0

    def number(self, field: int, kind: str, default: int = 0) -> int:
        place = self.place(field)
        return int(self.source.number(kind, place)) if place else default

    def table(self, field: int) -> _Table:
        place = self.place(field)
        if not place:
            raise ValueError(f"field {field} of the table at byte {self.position:,} is missing")
        return _Table(self.source, self.source.follow(place))

    def tables(self, field: int) -> list[_Table]:
        place = self.place(field)
        if not place:
            return []
        start = self.source.follow(place)
        offsets = self.source.array(start, "<u4").tolist()
        return [_Table(self.source, start + 4 + 4 * index + offset) for index, offset in enumerate(offsets)]

    def array(self, field: int, kind: str) -> np.ndarray[Any, Any]:
        place = self.place(field)
        return self.source.array(self.source.follow(place), kind) if place else np.empty(0, kind)


class _Reader:
    """One file: what its tables say."""

    def __init__(self, data: bytes) -> None:
        source = _Bytes(data)
        model = _Table(source, source.follow(0))
        self.operators, self.buffers = model.tables(1), model.tables(4)
        self.graph = self.item(model.tables(2), 0, "graphs")
        self.tensors = self.graph.tables(0)
        # Layers may share weights; a damaged file may name the same ones for ever, and fill the memory.
        self.left = 4 * len(data)

    def read(self) -> TFLite:
        inputs, outputs = self.graph.array(1, "<i4").tolist(), self.graph.array(2, "<i4").tolist()
        if not inputs or not outputs:
            raise ValueError(f"a network with {len(inputs)} inputs and {len(outputs)} outputs")
        image = self.tensor(inputs[0])
        shape = self.shape(image)
        if len(shape) != 4 or shape[0] != 1:
            raise _Unknown(f"its input is {shape}, not one image")
        scales, zeros, _ = self.quantisation(image)
        quantised = image.number(1, "<b") not in _FLOATS
        layers = [layer for operator in self.graph.tables(3) if (layer := self.layer(operator))]
        if not layers:
            raise _Unknown("it has no convolution and no dense layer")
        return TFLite(
            layers=tuple(layers),
            input=(shape[1], shape[2], shape[3]),
            outputs=self.shape(self.tensor(outputs[0]))[-1],
            input_scale=float(scales[0]) if quantised else None,
            input_zero_point=int(zeros[0]) if quantised else None,
        )

    def layer(self, operator: _Table) -> Layer | None:
        code = self.item(self.operators, operator.number(0, "<I"), "operator codes")
        # Numbers below 127 stand in the old field as well, or there alone; the larger of the two counts.
        kind = _KINDS.get(max(code.number(0, "<b"), code.number(3, "<i")))
        if kind is None:
            return None
        inputs, outputs = operator.array(1, "<i4").tolist(), operator.array(2, "<i4").tolist()
        if len(inputs) < 2 or not outputs:
            raise ValueError(f"a {kind} layer with {len(inputs)} inputs and {len(outputs)} outputs")
        options = operator.table(4)
        activation = options.number(_ACTIVATION_FIELD[kind], "<b")
        if activation not in _ACTIVATIONS:
            raise _Unknown(f"a {kind} layer has activation number {activation}; none, ReLU and ReLU6 are known")
        padding, stride, dilation = 1, (1, 1), (1, 1)
        if kind != "dense":
            padding, stride = options.number(0, "<b"), (options.number(2, "<i"), options.number(1, "<i"))
            last = _ACTIVATION_FIELD[kind]
            dilation = (options.number(last + 2, "<i", 1), options.number(last + 1, "<i", 1))
        if padding not in _PADDINGS or not all(1 <= step <= 1024 for step in stride + dilation):
            raise ValueError(f"a {kind} layer has padding number {padding}, stride {stride}, dilation {dilation}")
        weight = self.numbers(inputs[1])
        axes = _LAYOUT[kind]
        if weight.ndim != len(axes) or (kind == "depthwise" and weight.shape[0] != 1):
            raise ValueError(f"the weights of a {kind} layer are {tuple(weight.shape)}")
        weight = weight.permute(axes).contiguous()
        has_bias = len(inputs) > 2 and inputs[2] >= 0
        bias = self.numbers(inputs[2]) if has_bias else torch.zeros(len(weight))
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"{tuple(bias.shape)} biases for {len(weight)} channels")
        output_range = self.range(self.tensor(outputs[0]))
        return Layer(kind, weight, bias, stride, _PADDINGS[padding], _ACTIVATIONS[activation], output_range, dilation)

    def numbers(self, index: int) -> Tensor:
        """The constant tensor `index`, float32 in the file's own layout."""
        tensor = self.tensor(index)
        shape, kind = self.shape(tensor), tensor.number(1, "<b")
        if kind not in _NUMBERS:
            raise _Unknown(f"weights are stored as tensor type {kind}")
        raw = self.item(self.buffers, tensor.number(2, "<I"), "buffers").array(0, "u1")
        size = np.dtype(_NUMBERS[kind]).itemsize
        if not len(raw):
            raise _Unknown("the weights of a layer are computed, or lie outside the file")
        if len(raw) != prod(shape) * size:
            raise ValueError(f"{len(raw):,} bytes for weights of shape {shape}")
        self.left -= len(raw)
        if self.left < 0:
            raise ValueError("it names more weights than it holds")
        exact = np.float32 if kind in _FLOATS else np.int64
        values = torch.from_numpy(raw.view(_NUMBERS[kind]).astype(exact)).reshape(shape)
        if kind not in _FLOATS:
            scales, zeros, axis = self.quantisation(tensor)
            if len(scales) > 1:
                if axis >= len(shape) or len(scales) != shape[axis]:
                    raise ValueError(f"{len(scales)} scales for axis {axis} of {shape}")
                along = tuple(-1 if place == axis else 1 for place in range(len(shape)))
                scales, zeros = scales.reshape(along), zeros.reshape(along)
            values = ((values - zeros).double() * scales.double()).float()
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"numbers that are not finite in {self.name(tensor)}")
        return values

    @staticmethod
    def name(tensor: _Table) -> str:
        return tensor.array(3, "u1").tobytes().decode("utf-8", "replace") or "a tensor without a name"

    def quantisation(self, tensor: _Table) -> tuple[Tensor, Tensor, int]:
        """Scales and zero points, one of each or one for each channel, and the axis of the channels."""
        if tensor.number(1, "<b") in _FLOATS:
            return torch.ones(1), torch.zeros(1, dtype=torch.int64), 0
        found = tensor.table(4)
        scales = torch.from_numpy(found.array(2, "<f4").astype(np.float32))
        zeros = torch.from_numpy(found.array(3, "<i8").astype(np.int64))
        if not len(zeros):
            zeros = torch.zeros(len(scales), dtype=torch.int64)
        axis = found.number(6, "<i")
        if not len(scales) or len(zeros) != len(scales) or axis < 0:
            raise ValueError(f"{len(scales)} scales and {len(zeros)} zero points of a tensor, axis {axis}")
        if not bool((torch.isfinite(scales) & (scales > 0)).all()) or bool((zeros != zeros.clamp(-32768, 32767)).any()):
            raise ValueError("a scale or zero point that makes no sense")
        return scales, zeros, axis

    def range(self, tensor: _Table) -> tuple[float, float] | None:
        kind = tensor.number(1, "<b")
        if kind not in _RANGES:
            return None
        scales, zeros, _ = self.quantisation(tensor)
        low, high = (float(scales[0]) * (number - int(zeros[0])) for number in _RANGES[kind])
        if not isfinite(low) or not isfinite(high):
            raise ValueError("a scale that makes no sense")
        return low, high

    def tensor(self, index: int) -> _Table:
        return self.item(self.tensors, index, "tensors")

    @staticmethod
    def shape(tensor: _Table) -> tuple[int, ...]:
        shape = tuple(tensor.array(0, "<i4").tolist())
        if not shape or min(shape) < 1:
            raise ValueError(f"a tensor of shape {shape}")
        return shape

    @staticmethod
    def item(items: list[_Table], index: int, name: str) -> _Table:
        if not 0 <= index < len(items):
            raise ValueError(f"number {index} of {len(items)} {name}")
        return items[index]

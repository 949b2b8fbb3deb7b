"""The operators in a .tflite file, their weights dequantised to float32 in PyTorch's layout. TensorFlow is not needed.

A .tflite file is one FlatBuffer; the numbers of the fields are those of TensorFlow Lite's `schema.fbs`. The quantised
numbers mean real = scale * (q - zero_point) (arXiv 1712.05877, equation 1). What the operators make together is for
`tflite_chain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.files import read_whole
from pocketvision.units import counted
from pocketvision.weights.flatbuffer import Bytes, Table
from pocketvision.weights.tflite_operators import CUSTOM, OPERATORS

Kind = Literal["conv", "depthwise", "dense"]
Padding = Literal["SAME", "VALID"]
Activation = Literal["none", "relu", "relu6"]

_NUMBERS = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 7: "<i2", 9: "i1"}  # TensorType -> NumPy's
_FLOATS = (0, 1)
_RANGES = {3: (0, 255), 7: (-32768, 32767), 9: (-128, 127)}  # TensorType -> the numbers it can hold
_KINDS: dict[str, Kind] = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "FULLY_CONNECTED": "dense"}
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
class Step:
    """One operator: its name in the schema, the tensors that it takes and gives by number, those that are constant.

    `layer` is what it is where it has weights. `shapes` are those of its first input and output, `output_range` as a
    layer has it. `options` reads a field of its own options: (field, kind, default) -> number.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    constants: frozenset[int]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    output_range: tuple[float, float] | None
    options: Callable[[int, str, float], float]
    layer: Layer | None = None


@dataclass(frozen=True, eq=False)
class TFLite:
    """`steps` are all operators in the order of execution, `ends` the tensors that go in and come out.

    `input` is height, width, channels, and `outputs` the last axis of the output. The network sees
    (pixel - `input_zero_point`) * `input_scale` where its input is quantised, which for float inputs are None.
    """

    steps: tuple[Step, ...]
    ends: tuple[int, int]
    input: tuple[int, int, int]
    outputs: int
    input_scale: float | None
    input_zero_point: int | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The operators with weights, in the order of execution."""
        return tuple(step.layer for step in self.steps if step.layer)


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


class _Reader:
    """One file: what its tables say."""

    def __init__(self, data: bytes) -> None:
        source = Bytes(data)
        model = Table(source, source.follow(0))
        self.operators, self.buffers = model.tables(1), model.tables(4)
        self.graph = self.item(model.tables(2), 0, "graphs")
        self.tensors = self.graph.tables(0)
        # Layers may share weights; a damaged file may name the same ones for ever, and fill the memory.
        self.left = 4 * len(data)
        self.unpacked: dict[int, int] = {}  # what a DEQUANTIZE makes of a constant -> that constant

    def read(self) -> TFLite:
        inputs, outputs = self.graph.array(1, "<i4").tolist(), self.graph.array(2, "<i4").tolist()
        if not inputs or not outputs:
            raise ValueError(f"a network with {counted(len(inputs), 'input')} and {counted(len(outputs), 'output')}")
        image = self.tensor(inputs[0])
        shape = self.shape(image)
        if len(shape) != 4 or shape[0] != 1:
            raise _Unknown(f"its input is {shape}, not one image")
        scales, zeros, _ = self.quantisation(image)
        quantised = image.number(1, "<b") not in _FLOATS
        steps = [step for operator in self.graph.tables(3) if (step := self.step(operator))]
        if not any(step.layer for step in steps):
            raise _Unknown("it has no convolution and no dense layer")
        return TFLite(
            steps=tuple(steps),
            ends=(inputs[0], outputs[0]),
            input=(shape[1], shape[2], shape[3]),
            outputs=self.shape(self.tensor(outputs[0]))[-1],
            input_scale=float(scales[0]) if quantised else None,
            input_zero_point=int(zeros[0]) if quantised else None,
        )

    def step(self, operator: Table) -> Step | None:
        """The operator; None for one that only unpacks weights, which `numbers` does."""
        name = self.name_of(operator)
        inputs, outputs = operator.array(1, "<i4").tolist(), operator.array(2, "<i4").tolist()
        if not inputs or len(outputs) != 1:
            raise ValueError(f"a {name} with {counted(len(inputs), 'input')} and {counted(len(outputs), 'output')}")
        constants = frozenset(index for index in inputs if index >= 0 and self.is_constant(index))
        if name == "DEQUANTIZE" and inputs[0] in constants:
            self.unpacked[outputs[0]] = inputs[0]
            return None
        output = self.tensor(outputs[0])
        kind = _KINDS.get(name)
        has_options = bool(operator.place(4))

        def option(field: int, kind: str, default: float) -> float:
            return operator.table(4).real(field, kind, default) if has_options else default

        return Step(
            name, tuple(inputs), outputs[0], constants, (self.shape(self.tensor(inputs[0])), self.shape(output)),
            self.range(output), option, self.layer(operator, kind, inputs, output) if kind else None,
        )  # fmt: skip

    def name_of(self, operator: Table) -> str:
        code = self.item(self.operators, operator.number(0, "<I"), "operator codes")
        # Numbers below 127 stand in the old field as well, or there alone; the larger of the two counts.
        number = max(code.number(0, "<b"), code.number(3, "<i"))
        name = OPERATORS[number] if 0 <= number < len(OPERATORS) else f"operator number {number}"
        return f"custom operator {code.array(1, 'u1').tobytes().decode('utf-8', 'replace')}" if name == CUSTOM else name

    def is_constant(self, index: int) -> bool:
        where = self.tensor(index).number(2, "<I")
        return 0 < where < len(self.buffers) and len(self.buffers[where].array(0, "u1")) > 0

    def layer(self, operator: Table, kind: Kind, inputs: list[int], output: Table) -> Layer:
        if len(inputs) < 2:
            raise ValueError(f"a {kind} layer with {counted(len(inputs), 'input')}")
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
            raise ValueError(f"{tuple(bias.shape)} biases for {counted(len(weight), 'channel')}")
        output_range = self.range(output)
        return Layer(kind, weight, bias, stride, _PADDINGS[padding], _ACTIVATIONS[activation], output_range, dilation)

    def numbers(self, index: int) -> Tensor:
        """The constant tensor `index`, float32 in the file's own layout."""
        tensor = self.tensor(self.unpacked.get(index, index))
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
                    raise ValueError(f"{counted(len(scales), 'scale')} for axis {axis} of {shape}")
                along = tuple(-1 if place == axis else 1 for place in range(len(shape)))
                scales, zeros = scales.reshape(along), zeros.reshape(along)
            values = ((values - zeros).double() * scales.double()).float()
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"numbers that are not finite in {self.name(tensor)}")
        return values

    @staticmethod
    def name(tensor: Table) -> str:
        return tensor.array(3, "u1").tobytes().decode("utf-8", "replace") or "a tensor without a name"

    def quantisation(self, tensor: Table) -> tuple[Tensor, Tensor, int]:
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
            raise ValueError(
                f"{counted(len(scales), 'scale')} and {counted(len(zeros), 'zero point')} of a tensor, axis {axis}"
            )
        if not bool((torch.isfinite(scales) & (scales > 0)).all()) or bool((zeros != zeros.clamp(-32768, 32767)).any()):
            raise ValueError("a scale or zero point that makes no sense")
        return scales, zeros, axis

    def range(self, tensor: Table) -> tuple[float, float] | None:
        kind = tensor.number(1, "<b")
        if kind not in _RANGES:
            return None
        scales, zeros, _ = self.quantisation(tensor)
        low, high = (float(scales[0]) * (number - int(zeros[0])) for number in _RANGES[kind])
        if not isfinite(low) or not isfinite(high):
            raise ValueError("a scale that makes no sense")
        return low, high

    def tensor(self, index: int) -> Table:
        return self.item(self.tensors, index, "tensors")

    @staticmethod
    def shape(tensor: Table) -> tuple[int, ...]:
        shape = tuple(tensor.array(0, "<i4").tolist())
        if not shape or min(shape) < 1:
            raise ValueError(f"a tensor of shape {shape}")
        return shape

    @staticmethod
    def item(items: list[Table], index: int, name: str) -> Table:
        if not 0 <= index < len(items):
            raise ValueError(f"number {index} of {len(items)} {name}")
        return items[index]

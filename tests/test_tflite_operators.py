"""Operators without weights in .tflite files: honoured, or refused by name, in MobileNetV1s written one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pocketvision as pv
from pocketvision.weights import tflite_nets
from test_readers import FLOAT, INT32, UINT8, Writer

SIDE, CLASSES, WIDTH = 32, 3, 0.25
# BuiltinOperator, and BuiltinOptions of each: LiteRT reads the options by that number.
CODES = {
    "CONV_2D": (3, 1), "DEPTHWISE_CONV_2D": (4, 2), "AVERAGE_POOL_2D": (1, 5), "MAX_POOL_2D": (17, 5),
    "RESHAPE": (22, 0), "SOFTMAX": (25, 9), "RELU6": (21, 0), "RELU": (19, 0), "MUL": (18, 21),
    "ADD": (0, 11), "SUB": (41, 28), "QUANTIZE": (114, 0), "DEQUANTIZE": (6, 0),
    "HARD_SWISH": (117, 0), "LOGISTIC": (14, 0),
}  # fmt: skip
NAMES = list(CODES)


class MobileNet(Writer):
    """MobileNetV1 at width 0.25: float, SAME padding, ReLU6 fused or after each layer as an operator of its own."""

    def __init__(self, own: bool = False, half: bool = False) -> None:
        super().__init__()
        self.own, self.half = own, half
        self.layers = 0
        self.windows: dict[int, tuple[tuple[int, int], tuple[int, int], int]] = {}  # strides, dilations, padding
        self.numbers = np.random.default_rng(0)
        self.image = self.at = self.float((1, SIDE, SIDE, 3))
        self.shape = (1, SIDE, SIDE, 3)

    def float(self, shape: tuple[int, ...], data: np.ndarray | None = None) -> int:
        return self.tensor(shape, FLOAT, data=None if data is None else data.astype(np.float32))

    def weights(self, shape: tuple[int, ...], fan_in: int) -> int:
        values = self.numbers.normal(0, (2 / fan_in) ** 0.5, shape)
        if not self.half:
            return self.float(shape, values)
        stored, given = self.tensor(shape, 1, data=values.astype(np.float16)), self.float(shape)
        self.step("DEQUANTIZE", [stored], given)
        return given

    def step(self, name: str, inputs: list[int], output: int, options: list[tuple[int, str, Any]] = ()) -> None:
        parts = [(1, "offset", self.vector(inputs, "<i4")), (2, "offset", self.vector([output], "<i4"))]
        fields = [(0, "Uint32", NAMES.index(name)), *parts, (3, "Uint8", CODES[name][1])]
        self.operators.append(self.table([*fields, (4, "offset", self.table(list(options)))]))

    def then(
        self, name: str, shape: tuple[int, ...] | None = None, more: tuple[int, ...] = (), options: Any = ()
    ) -> None:
        """An operator on the data as it stands, `more` inputs behind it."""
        self.shape = self.shape if shape is None else shape
        given = self.float(self.shape)
        self.step(name, [self.at, *more], given, options)
        self.at = given

    def layer(self, kind: str, out: int, kernel: int = 1, stride: int = 1, act: int = 3) -> None:
        number, self.layers = self.layers, self.layers + 1
        (down, across), dilation, padding = self.windows.get(number, ((stride, stride), (1, 1), 0))
        _, height, width, cin = self.shape
        depthwise = kind == "DEPTHWISE_CONV_2D"
        shape = (1, kernel, kernel, cin) if depthwise else (out, kernel, kernel, cin)
        weight = self.weights(shape, kernel * kernel * (1 if depthwise else cin))
        bias = self.float((out,), self.numbers.normal(0, 1, out))
        fused = 0 if self.own else act
        options = [(0, "Int8", padding), (1, "Int32", across), (2, "Int32", down)]
        options += [(3, "Int32", 1), (4, "Int8", fused)] if depthwise else [(3, "Int8", fused)]
        options += [(4 + depthwise, "Int32", dilation[1]), (5 + depthwise, "Int32", dilation[0])]
        self.then(kind, (1, -(-height // down), -(-width // across), out), (weight, bias), options)
        if self.own and act:
            self.then("RELU6")

    def body(self, acts: dict[int, int] | None = None) -> None:
        acts, channels = acts or {}, 8
        self.layer("CONV_2D", channels, 3, 2)
        rows = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
        for number, (out, stride) in enumerate(rows):
            self.layer("DEPTHWISE_CONV_2D", channels, 3, stride)
            self.layer("CONV_2D", out, act=acts.get(number, 3))
            channels = out

    def pool(self) -> None:
        _, height, width, channels = self.shape
        options = [(1, "Int32", 1), (2, "Int32", 1), (3, "Int32", width), (4, "Int32", height), (0, "Int8", 1)]
        self.then("AVERAGE_POOL_2D", (1, 1, 1, channels), options=options)

    def head(self) -> None:
        self.layer("CONV_2D", CLASSES, act=0)
        to = self.tensor((2,), INT32, data=np.array([1, CLASSES], np.int32))
        self.then("RESHAPE", (1, CLASSES), (to,))
        self.then("SOFTMAX", options=[(0, "Float32", 1.0)])

    def write(self, path: Path) -> Path:
        codes = [CODES[name][0] for name in NAMES]
        path.write_bytes(self.bytes(codes, self.image, self.at))
        return path


def whole(path: Path, **how: bool) -> Path:
    net = MobileNet(**how)
    net.body(), net.pool(), net.head()
    return net.write(path)


@pytest.mark.parametrize("how", [{}, {"own": True}, {"half": True}])
def test_it_answers_as_litert(tmp_path: Path, how: dict[str, bool]) -> None:
    path = whole(tmp_path / "net.tflite", **how)
    net = pv.create_model("mobilenet_v1", classes=CLASSES, weights=path).eval()
    assert net.spec.name == f"mobilenet_v1_{WIDTH}_{SIDE}" and net.spec.trunk[0].act == "relu6"
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    image = np.random.default_rng(1).uniform(-1, 1, (1, SIDE, SIDE, 3)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    theirs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    with torch.inference_mode():
        ours = net(torch.from_numpy(image).permute(0, 3, 1, 2)).softmax(1).numpy()
    assert np.abs(ours - theirs).max() < 1e-4 and theirs.max() < 0.9999


def _constant(net: MobileNet, value: float) -> tuple[int, ...]:
    return (net.float((1,), np.array([value])),)


def front(name: str) -> Any:
    def build(net: MobileNet) -> None:
        net.then(name, more=_constant(net, 0.5))
        net.body(), net.pool(), net.head()

    return build


def between(name: str) -> Any:
    def build(net: MobileNet) -> None:
        net.body()
        net.then(name, more=_constant(net, 0.5) if name in ("MUL", "ADD") else ())
        net.pool(), net.head()

    return build


def ending(name: str) -> Any:
    def build(net: MobileNet) -> None:
        net.body(), net.pool()
        net.layer("CONV_2D", CLASSES, act=0)
        net.then(name)

    return build


def part_of_the_map(net: MobileNet) -> None:
    net.body()
    net.then("AVERAGE_POOL_2D", (1, 1, 1, 256), options=[(3, "Int32", 1), (4, "Int32", 2)])
    net.pool(), net.head()


def largest(net: MobileNet) -> None:
    net.body()
    net.then("MAX_POOL_2D", (1, 1, 1, 256))
    net.head()


def softer(net: MobileNet) -> None:
    net.body(), net.pool()
    net.layer("CONV_2D", CLASSES, act=0)
    net.then("SOFTMAX", options=[(0, "Float32", 0.5)])


def shortcut(net: MobileNet) -> None:
    net.body()
    before = net.at
    net.then("RELU6")
    net.then("ADD", more=(before,))
    net.pool(), net.head()


def linear(net: MobileNet) -> None:
    net.body({4: 0})
    net.pool(), net.head()


REFUSED = {
    "normalises by MUL": (front("MUL"), "it has MUL before the first layer"),
    "normalises by ADD": (front("ADD"), "it has ADD before the first layer"),
    "normalises by SUB": (front("SUB"), "it has SUB before the first layer"),
    "an activation before": (front("RELU6"), "it has RELU6 before the first layer"),
    "scales in between": (between("MUL"), "it has MUL after 27 of its layers"),
    "shifts in between": (between("ADD"), "it has ADD after 27 of its layers"),
    "another activation": (between("HARD_SWISH"), "it has HARD_SWISH after 27 of its layers"),
    "a second activation": (between("RELU"), "it has RELU after 27 of its layers"),
    "sigmoid": (ending("LOGISTIC"), "it has LOGISTIC after 28 of its layers"),
    "part of the map": (part_of_the_map, "it has AVERAGE_POOL_2D after 27 of its layers"),
    "the largest": (largest, "it has MAX_POOL_2D after 27 of its layers"),
    "softer": (softer, "it has SOFTMAX after 28 of its layers"),
    "a shortcut": (shortcut, "it has (RELU6|ADD)"),
    "a linear layer": (linear, "layer 11 of 28 has the activation none, where mobilenet_v1 has relu6"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_operator_that_is_not_the_networks_is_refused_by_name(tmp_path: Path, case: str) -> None:
    build, message = REFUSED[case]
    net = MobileNet()
    build(net)
    with pytest.raises(pv.InputError, match=f"cannot be converted: {message}"):
        tflite_nets.read(net.write(tmp_path / "net.tflite"))


@pytest.mark.parametrize(
    ("scale", "zero", "mean", "std"), [(2 / 255, 128, 0.5, 0.5), (1 / 255, 0, 0.0, 1.0), (1.0, 0, 0.0, 1 / 255)]
)
def test_a_quantised_image_says_what_the_network_sees(
    tmp_path: Path, scale: float, zero: int, mean: float, std: float
) -> None:
    net = MobileNet()
    quantised = net.tensor(net.shape, UINT8, (scale,), (zero,))
    net.step("QUANTIZE", [net.at], quantised)
    net.at = quantised
    net.body(), net.pool(), net.head()
    found = tflite_nets.read(net.write(tmp_path / "net.tflite"))
    assert found.looks.mean == (mean,) * 3 and found.looks.std == (std,) * 3


def test_a_quantised_image_of_another_range_is_refused(tmp_path: Path) -> None:
    net = MobileNet()
    quantised = net.tensor(net.shape, UINT8, (4.7 / 255,), (115,))
    net.step("QUANTIZE", [net.at], quantised)
    net.at = quantised
    net.body(), net.pool(), net.head()
    with pytest.raises(pv.InputError, match=r"it has QUANTIZE of an image from -2.12 to 2.58"):
        tflite_nets.read(net.write(tmp_path / "net.tflite"))


WINDOWS = {
    "stride across": (
        {3: ((2, 1), (1, 1), 0)},
        r"layer 4 of 28 has the stride \(2, 1\), where mobilenet_v1 has \(2, 2\)",
    ),
    "stride down": (
        {0: ((1, 2), (1, 1), 0)},
        r"layer 1 of 28 has the stride \(1, 2\), where mobilenet_v1 has \(2, 2\)",
    ),
    "strides swapped": ({3: ((1, 1), (1, 1), 0), 5: ((2, 2), (1, 1), 0)}, r"layer 4 of 28 has the stride \(1, 1\)"),
    "dilation across": ({9: ((1, 1), (1, 2), 0)}, r"layer 10 of 28 has the dilation \(1, 2\)"),
    "dilation down": ({9: ((1, 1), (2, 1), 0)}, r"layer 10 of 28 has the dilation \(2, 1\)"),
    "padding": ({9: ((1, 1), (1, 1), 1)}, "layer 10 of 28 has the padding VALID, where mobilenet_v1 has SAME"),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_windows_are_compared_layer_by_layer_in_both_directions(tmp_path: Path, case: str) -> None:
    windows, message = WINDOWS[case]
    net = MobileNet()
    net.windows = windows
    net.body(), net.pool(), net.head()
    with pytest.raises(pv.InputError, match=message):
        tflite_nets.read(net.write(tmp_path / "net.tflite"))


@pytest.mark.parametrize("family", ["mobilenet_v1", "mobilenet_v2"])
def test_the_strides_of_tflites_layers_are_those_of_our_tables(family: str) -> None:
    net = pv.create_model(family, resolution=96)
    strides = [part.stride for part in net.modules() if isinstance(part, torch.nn.Conv2d)]
    assert tuple(k for k, stride in enumerate(strides) if stride == (2, 2)) == tflite_nets.STRIDED[family]

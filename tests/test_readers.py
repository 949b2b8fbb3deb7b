"""Other programs' weight files: what they hold, decoded by hand, and one sentence for every damage."""

from __future__ import annotations

import random
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pocketvision as pv
from pocketvision.errors import InputError
from pocketvision.weights import caffe, deep_compression, tflite

Reader = Callable[[Path], Any]
UINT8, INT8, INT32, FLOAT = 3, 9, 2, 0  # TensorType of TensorFlow Lite


def damaged(data: bytes, times: int, seed: int = 0) -> Iterator[bytes]:
    """`data` cut off at `times` places, and as often with one to eight bytes altered."""
    source = random.Random(seed)
    for place in [0, 1, 3, 7, 8, len(data) - 1, *source.sample(range(len(data)), times)]:
        yield data[:place]
    for _ in range(times):
        altered = bytearray(data)
        for place in source.choices(range(len(data)), k=source.choice((1, 1, 2, 8))):
            altered[place] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
        yield bytes(altered)


def refused(read: Reader, data: bytes, path: Path) -> bool:
    """Whether `read` refuses a file of these bytes, in one line that names the file; anything else is raised."""
    path.write_bytes(data)
    try:
        read(path)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error), str(error)
        return True
    return False


# --- TensorFlow Lite


class Writer:
    """A .tflite file with one input, weights and layers, written with the flatbuffers library."""

    def __init__(self) -> None:
        flatbuffers = pytest.importorskip("flatbuffers")
        self.builder = flatbuffers.Builder(1024)
        self.tensors: list[int] = []
        self.buffers = [self.table([])]
        self.operators: list[int] = []

    def table(self, fields: list[tuple[int, str, Any]]) -> int:
        self.builder.StartObject(8)
        for slot, kind, value in fields:
            if kind == "offset":
                self.builder.PrependUOffsetTRelativeSlot(slot, value, 0)
            else:
                getattr(self.builder, f"Prepend{kind}Slot")(slot, value, 0)
        return self.builder.EndObject()

    def offsets(self, offsets: list[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def vector(self, numbers: Any, kind: str) -> int:
        return self.builder.CreateNumpyVector(np.asarray(numbers, kind))

    def tensor(
        self,
        shape: tuple[int, ...],
        kind: int,
        scales: tuple[float, ...] = (),
        zeros: tuple[int, ...] = (),
        axis: int = 0,
        data: np.ndarray | None = None,
    ) -> int:
        if data is not None:
            self.buffers.append(self.table([(0, "offset", self.vector(np.frombuffer(data.tobytes(), "u1"), "u1"))]))
        parts = [
            (2, "offset", self.vector(scales, "<f4")),
            (3, "offset", self.vector(zeros, "<i8")),
            (6, "Int32", axis),
        ]
        quantisation = self.table(parts)
        where = 0 if data is None else len(self.buffers) - 1
        fields = [(0, "offset", self.vector(shape, "<i4")), (1, "Int8", kind), (2, "Uint32", where)]
        self.tensors.append(self.table([*fields, (4, "offset", quantisation)]))
        return len(self.tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, options: list[tuple[int, str, int]]) -> None:
        parts = [(1, "offset", self.vector(inputs, "<i4")), (2, "offset", self.vector([output], "<i4"))]
        self.operators.append(self.table([(0, "Uint32", code), *parts, (4, "offset", self.table(options))]))

    def bytes(self, codes: list[int], first: int, last: int) -> bytes:
        lists = [(0, self.tensors), (3, self.operators)]
        fields = [(slot, "offset", self.offsets(tables)) for slot, tables in lists]
        fields += [(slot, "offset", self.vector([index], "<i4")) for slot, index in ((1, first), (2, last))]
        graph = self.offsets([self.table(fields)])
        # Half of the codes in the field of old files, half in that of new ones.
        known = self.offsets([self.table([(3 * (code % 2), "Int32" if code % 2 else "Int8", code)]) for code in codes])
        model = [(1, "offset", known), (2, "offset", graph), (4, "offset", self.offsets(self.buffers))]
        self.builder.Finish(self.table([(0, "Uint32", 3), *model]), file_identifier=b"TFL3")
        return bytes(self.builder.Output())


def small_tflite(activation: int = 1) -> tuple[bytes, dict[str, np.ndarray]]:
    """A convolution quantised by channel, a depthwise one by tensor, a float dense layer without biases."""
    numbers = np.random.default_rng(0)
    writer = Writer()
    conv = numbers.integers(-127, 128, (4, 3, 2, 3), dtype=np.int8)  # O H W I
    bias = numbers.integers(-1000, 1000, 4, dtype=np.int32)
    depthwise = numbers.integers(0, 256, (1, 3, 3, 4), dtype=np.uint8)  # 1 H W C
    dense = numbers.normal(size=(5, 4)).astype(np.float32)
    image = writer.tensor((1, 8, 6, 3), UINT8, (0.0078125,), (128,))
    scales, by_bias = (0.5, 0.25, 1.0, 0.125), (0.01, 0.02, 0.03, 0.04)
    weights = writer.tensor(conv.shape, INT8, scales, (0, 0, 0, 0), 0, conv)
    biases = writer.tensor((4,), INT32, by_bias, (0, 0, 0, 0), 0, bias)
    seen = writer.tensor((1, 4, 6, 4), INT8, (0.0625,), (-128,))
    writer.operator(0, [image, weights, biases], seen, [(1, "Int32", 1), (2, "Int32", 2), (3, "Int8", activation)])
    weights = writer.tensor(depthwise.shape, UINT8, (0.5,), (100,), 3, depthwise)
    zeros = writer.tensor((4,), INT32, (0.1,), (0,), 0, np.arange(4, dtype=np.int32))
    deep = writer.tensor((1, 2, 4, 4), FLOAT)
    options = [(0, "Int8", 1), (1, "Int32", 1), (2, "Int32", 1), (3, "Int32", 1), (4, "Int8", 3)]
    writer.operator(1, [seen, weights, zeros], deep, [*options, (6, "Int32", 2)])
    writer.operator(2, [deep], deep, [])  # a mean, which has no weights
    last = writer.tensor((1, 5), FLOAT)
    writer.operator(3, [deep, writer.tensor((5, 4), FLOAT, data=dense), -1], last, [])
    expected = {
        "conv": (conv * np.reshape(scales, (4, 1, 1, 1))).transpose(0, 3, 1, 2),
        "bias": bias * np.array(by_bias),
        "depthwise": ((depthwise.astype(float) - 100) * 0.5).transpose(3, 0, 1, 2),
        "dense": dense,
    }
    return writer.bytes([3, 4, 40, 9], image, last), expected


def test_tflite_layers(tmp_path: Path) -> None:
    data, expected = small_tflite()
    path = tmp_path / "small.tflite"
    path.write_bytes(data)
    net = tflite.read(path)
    assert (net.input, net.outputs, net.input_scale, net.input_zero_point) == ((8, 6, 3), 5, 0.0078125, 128)
    conv, depthwise, dense = net.layers
    assert (conv.kind, conv.stride, conv.padding, conv.activation) == ("conv", (2, 1), "SAME", "relu")
    assert conv.output_range == (0.0, 255 * 0.0625) and conv.dilation == (1, 1)
    assert (depthwise.kind, depthwise.stride, depthwise.padding) == ("depthwise", (1, 1), "VALID")
    assert depthwise.activation == "relu6" and depthwise.output_range is None and depthwise.dilation == (2, 1)
    assert (dense.kind, dense.stride, dense.activation) == ("dense", (1, 1), "none")
    for layer, name in ((conv, "conv"), (depthwise, "depthwise"), (dense, "dense")):
        assert layer.weight.dtype == layer.bias.dtype == torch.float32 and layer.weight.is_contiguous()
        np.testing.assert_allclose(layer.weight.numpy(), expected[name], rtol=1e-6)
    np.testing.assert_allclose(conv.bias.numpy(), expected["bias"], rtol=1e-6)
    np.testing.assert_allclose(depthwise.bias.numpy(), [0, 0.1, 0.2, 0.3], rtol=1e-6)
    assert not dense.bias.any() and dense.bias.shape == (5,)


def test_tflite_that_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "tanh.tflite"
    path.write_bytes(small_tflite(activation=4)[0])
    with pytest.raises(InputError, match=r"tanh.tflite cannot be converted: a conv layer has activation number 4"):
        tflite.read(path)


def test_damaged_tflite(tmp_path: Path) -> None:
    data, _ = small_tflite()
    results = [refused(tflite.read, bad, tmp_path / "bad.tflite") for bad in damaged(data, 400)]
    assert 400 < sum(results) < len(results)  # what only changes a number cannot be noticed


# The rows of the papers' tables, and one convolution as classifier.
MOBILENETS = {
    "mobilenet_v1_0.25_128_quant": ("mobilenet_v1", 0.25, 128),
    "mobilenet_v1_0.5_160_quant": ("mobilenet_v1", 0.5, 160),
    "mobilenet_v1_0.75_192_quant": ("mobilenet_v1", 0.75, 192),
    "mobilenet_v2_1.0_224_quant": ("mobilenet_v2", 1.0, 224),
}


@pytest.mark.parametrize("name", MOBILENETS)
def test_published_mobilenets(name: str, shared: Path) -> None:
    family, width, side = MOBILENETS[name]
    net = tflite.read(shared / "weights" / f"{name}.tflite")
    assert (net.input, net.outputs) == ((side, side, 3), 1001)
    assert (net.input_scale, net.input_zero_point) == (1 / 128, 128)
    ours = pv.create_model(family, width=width, resolution=side, classes=1001)
    modules = [module for module in ours.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(net.layers) == len(modules)
    for layer, module in zip(net.layers, modules, strict=True):
        shape = tuple(module.weight.shape)
        assert tuple(layer.weight.shape) == (shape if len(shape) == 4 else (*shape, 1, 1))
        assert tuple(layer.bias.shape) == shape[:1] and layer.padding == "SAME" and layer.dilation == (1, 1)
        if isinstance(module, torch.nn.Conv2d):
            assert layer.stride == module.stride and (layer.kind == "depthwise") == (module.groups > 1)
        assert layer.output_range is not None
        if layer.activation == "relu6":
            assert layer.output_range == (0.0, pytest.approx(6, abs=0.001))


def test_damaged_mobilenet(shared: Path, tmp_path: Path) -> None:
    data = (shared / "weights" / "mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    results = [refused(tflite.read, bad, tmp_path / "bad.tflite") for bad in damaged(data, 20)]
    assert sum(results) >= 20


# --- Deep Compression


def small_entries() -> tuple[bytes, dict[str, np.ndarray]]:
    """A file of random gaps, codes and codebooks, and the weights that it stands for, one by one."""
    numbers = np.random.default_rng(0)
    counts, parts, expected = [], [], {}
    for name, shape in deep_compression.layers().items():
        size = int(np.prod(shape))
        gaps = numbers.integers(0, 16, size // 20)
        codes = numbers.integers(0, 256, len(gaps), dtype=np.uint8)
        codebook = numbers.normal(size=256).astype("<f4")
        codebook[0] = 0
        bias = numbers.normal(size=shape[0]).astype("<f4")
        weights, place = np.zeros(size, np.float32), -1
        for gap, code in zip(gaps.tolist(), codes.tolist(), strict=True):
            place += gap + 1
            weights[place] = codebook[code]
        padded = np.append(gaps, 0)[: len(gaps) + len(gaps) % 2].astype(np.uint8)
        counts.append(len(gaps))
        parts += [codebook, bias, codes, padded[0::2] | padded[1::2] << 4]
        expected[f"{name}.weight"], expected[f"{name}.bias"] = weights.reshape(shape), bias
    return struct.pack("<26I", *counts) + b"".join(part.tobytes() for part in parts), expected


def test_deep_compression(tmp_path: Path) -> None:
    data, expected = small_entries()
    path = tmp_path / "small.net"
    path.write_bytes(data)
    found = deep_compression.read(path)
    assert list(found) == list(expected) and len(found) == 52
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32 and np.array_equal(tensor.numpy(), expected[name]), name
    results = [refused(deep_compression.read, bad, tmp_path / "bad.net") for bad in damaged(data, 40)]
    assert sum(results) >= 46  # every file that was cut off


def test_deep_compression_of_its_authors(shared: Path, tmp_path: Path) -> None:
    """A third of the weights is left (arXiv 1602.07360, table 2); the file is used to its last byte."""
    path = shared / "weights" / "squeezenet_v1.0_deep_compression.net"
    found = deep_compression.read(path)
    assert [found[name].shape for name in ("conv1.weight", "fire9/expand3x3.weight", "conv10.bias")] == [
        (96, 3, 7, 7),
        (256, 64, 3, 3),
        (1000,),
    ]
    weights = torch.cat([tensor.flatten() for name, tensor in found.items() if name.endswith(".weight")])
    assert len(weights) == 1_244_448 and int((weights != 0).sum()) / len(weights) == pytest.approx(0.334, abs=0.001)
    data = path.read_bytes()
    assert len(data) == 675_763
    for wrong in (data[:-1], data + b"\0", data[1:]):
        assert refused(deep_compression.read, wrong, tmp_path / "bad.net")
    counts = bytearray(data)
    counts[40] += 1  # one entry more in one layer: all that follows is out of place
    assert refused(deep_compression.read, bytes(counts), tmp_path / "bad.net")
    for bad in damaged(data, 10):
        refused(deep_compression.read, bad, tmp_path / "bad.net")


# --- Caffe


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "small.npz"
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    np.savez(path, **{"fire2/squeeze1x1.weight": weight, "fire2/squeeze1x1.bias": weight[:, 0, 0, 0]})
    found = caffe.read_npz(path)
    assert list(found) == ["fire2/squeeze1x1.weight", "fire2/squeeze1x1.bias"]
    assert torch.equal(found["fire2/squeeze1x1.weight"], torch.from_numpy(weight))
    data = path.read_bytes()
    results = [refused(caffe.read_npz, bad, tmp_path / "bad.npz") for bad in damaged(data, 200)]
    assert sum(results) > 300


def test_npz_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    for array, reason in (
        (np.array([print], object), "pickled content, which could run code"),
        (np.zeros(3), "float64"),
        (np.array([1, np.nan], np.float32), "not finite"),
    ):
        np.savez(path, weight=array)
        with pytest.raises(InputError, match=reason):
            caffe.read_npz(path)
    np.savez(path)
    with pytest.raises(InputError, match="without arrays"):
        caffe.read_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weight", b"text")
    with pytest.raises(InputError, match="other.npz"):
        caffe.read_npz(path)


def test_squeezenet_of_caffe(shared: Path) -> None:
    found = caffe.read_npz(shared / "weights" / "squeezenet1_1_caffe.npz")
    assert len(found) == 52 and found["fire9/expand3x3.weight"].shape == (256, 64, 3, 3)
    assert sum(tensor.numel() for tensor in found.values()) == 1_235_496  # as torchvision's squeezenet1_1


# --- all


@pytest.mark.parametrize("read", [tflite.read, deep_compression.read, caffe.read_npz])
@pytest.mark.parametrize("content", [b"", b"text, not weights", b"PK\x03\x04", b"\x80\x04K\x01.", bytes(4096)])
def test_another_file(read: Reader, content: bytes, tmp_path: Path) -> None:
    assert refused(read, content, tmp_path / "other")
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "missing"))):
        read(tmp_path / "missing")
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        read(tmp_path)

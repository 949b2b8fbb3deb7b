"""NaN and infinity in weights: refused from every format, and from every network that is saved or exported."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import pocketvision as pv
from pocketvision.network import Network
from pocketvision.runtimes.onnx_weights import initialisers
from pocketvision.weights import deep_compression, file, open_weights
from pocketvision.weights import timm as importer
from pocketvision.weights.file import fill

STEM = "trunk.0.conv.weight"


@pytest.fixture
def net() -> Network:
    torch.manual_seed(0)
    return pv.create_model("mobilenet_v1", 0.25, 96, ["a", "b"]).eval()


def spoilt(net: Network, value: float, name: str = STEM) -> Network:
    net.state_dict()[name].view(-1)[7] = value
    return net


def timm_state(net: Network) -> dict[str, torch.Tensor]:
    places = [f"blocks.{stage}.{index}" for stage, n in enumerate((1, 2, 2, 6, 2)) for index in range(n)]
    theirs = {ours: module for module, ours in importer.builder(net.spec, places)}
    parts = {name: name.rpartition(".") for name in net.state_dict()}
    return {f"{theirs[module]}.{field}": net.state_dict()[name] for name, (module, _, field) in parts.items()}


def as_ours(net: Network, folder: Path) -> Path:
    """The file that a release without this check would have written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "require_finite", lambda *_: None)
        return pv.save(net, folder / "model.safetensors")


def as_hub_folder(net: Network, folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "require_finite", lambda *_: None)
        net.save_pretrained(folder)
    tensors = {name: tensor.clone() for name, tensor in _raw(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors")  # without our description: as transformers writes it
    return folder


def _raw(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def as_pth(net: Network, folder: Path) -> Path:
    torch.save({"state_dict": timm_state(net)}, folder / "net.pth")
    return folder / "net.pth"


def as_safetensors(net: Network, folder: Path) -> Path:
    save_file(timm_state(net), folder / "net.safetensors")
    return folder / "net.safetensors"


FORMATS: dict[str, tuple[Callable[[Network, Path], Path], str]] = {
    "ours": (as_ours, STEM),
    "pth": (as_pth, "conv_stem.weight"),
    "safetensors": (as_safetensors, "conv_stem.weight"),
    "a folder of the Hub": (as_hub_folder, "mobilenet_v1.conv_stem.convolution.weight"),
}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("case", FORMATS)
def test_weights_that_are_not_finite_are_refused_by_name(net: Network, tmp_path: Path, case: str, value: float) -> None:
    write, name = FORMATS[case]
    open_weights(write(net, tmp_path))
    path = write(spoilt(net, value), tmp_path)
    with pytest.raises(pv.InputError, match=rf"1 of the 216 numbers in {name} are not finite") as caught:
        open_weights(path)
    assert str(path) in str(caught.value)


def test_state_dicts_live_networks_and_statistics(net: Network, tmp_path: Path) -> None:
    spoilt(net, float("inf"), "trunk.3.depthwise.bn.running_var")
    with pytest.raises(pv.InputError, match=r"numbers in blocks.1.1.bn1.running_var are not finite \(such as inf\)"):
        pv.create_model("mobilenet_v1", classes=2, weights=timm_state(net))
    with pytest.raises(pv.InputError, match=r"numbers in trunk.3.depthwise.bn.running_var are not finite"):
        pv.create_model("mobilenet_v1", classes=["a", "b"], weights=net)
    with pytest.raises(pv.InputError, match="trunk.3.depthwise.bn.running_var"):
        pv.load(as_ours(net, tmp_path))


def test_archives_of_caffe(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", **{"conv10.weight": np.array([1, np.inf], np.float32)})
    with pytest.raises(pv.InputError, match="conv10.weight is float32, or not finite"):
        open_weights(tmp_path / "net.npz")


def test_the_file_of_deep_compression(tmp_path: Path) -> None:
    parts = []
    for number, shape in enumerate(deep_compression.layers().values()):
        parts += [np.zeros(256, "<f4"), np.full(shape[0], np.nan if number == 3 else 0, "<f4")]
    data = struct.pack("<26I", *[0] * 26) + b"".join(part.tobytes() for part in parts)
    (tmp_path / "squeezenet.net").write_bytes(data)
    with pytest.raises(pv.InputError, match="the codebook or the biases of fire2/expand3x3 make no sense"):
        open_weights(tmp_path / "squeezenet.net")


def test_nothing_is_saved_or_exported(net: Network, tmp_path: Path) -> None:
    spoilt(net, float("nan"))
    message = rf"the network mobilenet_v1_0.25_96: 1 of the 216 numbers in {STEM} are not finite"
    for write in (
        lambda: pv.save(net, tmp_path / "model.safetensors"),
        lambda: pv.export(net, path=tmp_path / "model.onnx"),
        lambda: net.save_pretrained(tmp_path / "hub"),
        lambda: net.predict(np.zeros((9, 9, 3), np.uint8)),
    ):
        with pytest.raises(pv.InputError, match=message):
            write()
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".onnx", ".safetensors")]


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
def test_initialisers_are_read_as_onnx_reads_them(kind: type) -> None:
    onnx = pytest.importorskip("onnx")
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(kind)
    tensors = [onnx.numpy_helper.from_array(values, "raw"), onnx.numpy_helper.from_array(np.arange(3), "whole")]
    if kind is np.float32:
        tensors.append(onnx.helper.make_tensor("listed", onnx.TensorProto.FLOAT, (3, 4), values.ravel()))
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    found = dict(initialisers(onnx.helper.make_model(graph).SerializeToString()))
    assert list(found) == ["raw", "listed"][: len(found)] and len(found) == len(tensors) - 1
    assert all(np.array_equal(array, values.ravel()) for array in found.values())


def test_an_exported_file_with_weights_that_are_not_finite(net: Network, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from pocketvision.runtimes import onnxruntime

    model = onnx.load(onnxruntime.convert(net, tmp_path / "net.onnx"))
    weight = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [8, 3, 3, 3])
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[5] = np.inf
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    (entry,) = model.metadata_props  # as a quantiser leaves it, which takes the hash out
    info = json.loads(entry.value)
    del info["sha256"]
    entry.value = json.dumps(info)
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(pv.InputError, match=r"net.onnx: 1 of the 216 numbers in .* are not finite \(such as inf\)"):
        pv.load(tmp_path / "net.onnx")


def test_weights_that_are_no_real_numbers_are_refused() -> None:
    """Quantised or complex numbers are not those of the network: copied into it they would answer something else."""
    net = pv.create_model("mobilenet_v1", 0.25, 32, ["a", "b"])
    whole = net.state_dict()
    for wrong in (torch.int8, torch.bool, torch.complex64):
        state = {**whole, "head.classifier.weight": whole["head.classifier.weight"].to(wrong)}
        with pytest.raises(pv.InputError, match="head.classifier.weight holds torch.* where weights are real numbers"):
            fill(net, state, "some.pth")
    with pytest.raises(pv.InputError, match="trunk.0.bn.running_var has variances below zero"):
        fill(net, {**whole, "trunk.0.bn.running_var": -whole["trunk.0.bn.running_var"]}, "some.pth")

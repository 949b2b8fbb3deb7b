"""Runtimes: the exported file, what it carries, what is refused, and that it answers as PyTorch does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from conftest import command_environment
from pocketvision.blocks import Bneck, Conv, Separable
from pocketvision.data.image import ImageFile, prepare
from pocketvision.errors import InputError
from pocketvision.heads import Classifier, Dense
from pocketvision.network import Network, build
from pocketvision.results import Result
from pocketvision.runtimes import get_runtime, installed_runtimes, onnxruntime
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.runtimes.cores import _quota, usable_cores
from pocketvision.runtimes.predictor import Exported, predict
from pocketvision.runtimes.verify import compare
from pocketvision.spec import Spec

TRUNK = (
    Conv(3, 8, "relu", 2),
    Separable(3, 16, "relu"),
    Bneck(3, 48, 24, 0, "relu6", 2),
    Bneck(5, 72, 24, 16, "hswish"),
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only lose by a second thread."""
    with torch_runtime.thread_count(1):
        yield


def small_network(seed: int = 0, channels: int = 3) -> Network:
    """A row of every kind on 24 x 32 pixels, with running statistics as after some training."""
    torch.manual_seed(seed)
    net = build(Spec("small", TRUNK, Classifier(4, (Dense(32, "hswish"),)), (24, 32), channels))
    net.classes = ("ant", "bee", "cat", "dog")
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
            if isinstance(layer, torch.nn.Linear):
                layer.weight.normal_(std=3 / layer.in_features**0.5)  # answers that can be told apart
        net.train()(torch.randn(4, channels, 24, 32))
    return net.eval()


def last_layer(net: Network) -> torch.nn.Linear:
    return [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)][-1]


def pixels(number: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (number, 24, 32, channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def net() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def exported(net: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnxruntime.convert(net, tmp_path_factory.mktemp("export") / "small.onnx", macs=123)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, paths = tmp_path_factory.mktemp("photographs"), []
    for number in range(5):
        paths.append(folder / f"{number}.jpg")
        smooth = Image.fromarray(pixels(number + 1)[0, :6, :8]).resize((60 + number, 40), Image.Resampling.BICUBIC)
        smooth.save(paths[-1])
    return paths


# The file


def test_exported_file_answers_as_the_network(net: Network, exported: Path) -> None:
    reference, candidate = torch_runtime.load(net), onnxruntime.load(exported, threads=1)
    for number in (1, 3):
        expected, found = reference.run(pixels(number)), candidate.run(pixels(number))
        assert found.dtype == np.float32 and found.shape == (number, 4)
        assert np.ptp(expected, axis=1).min() > 0.05
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 5])
def test_other_numbers_of_channels(channels: int, tmp_path: Path) -> None:
    net = small_network(channels=channels)
    candidate = onnxruntime.load(onnxruntime.convert(net, tmp_path / "n.onnx"), threads=1)
    expected = torch_runtime.load(net).run(pixels(2, channels))
    np.testing.assert_allclose(candidate.run(pixels(2, channels)), expected, atol=1e-6)


def test_exported_file_carries_what_it_needs(net: Network, exported: Path) -> None:
    found = onnxruntime.load(exported, threads=1)
    assert found.classes == net.classes
    assert found.preprocessing == net.preprocessing
    assert (found.runtime, found.threads) == ("onnxruntime", 1)
    params = sum(parameter.numel() for parameter in net.parameters())
    assert {key: found.info[key] for key in ("format_version", "task", "name", "params", "macs")} == {
        "format_version": 1, "task": "classify", "name": "small", "params": params, "macs": 123,
    }  # fmt: skip


def test_exported_file_is_alone_with_named_ends_and_dynamic_batch_only(exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == ["small.onnx"]
    graph = onnx.load(exported, load_external_data=False).graph
    ends = {}
    for end in (*graph.input, *graph.output):
        shape = [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
        ends[end.name] = (end.type.tensor_type.elem_type, shape)
    assert ends == {
        "image": (onnx.TensorProto.UINT8, ["batch", 24, 32, 3]),
        "probabilities": (onnx.TensorProto.FLOAT, ["batch", 4]),
    }


def test_export_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    net = small_network()
    net.train()
    net.trunk[1].eval()  # frozen by the user
    modes = [module.training for module in net.modules()]
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    onnxruntime.convert(net, tmp_path / "a.onnx")
    torch_runtime.load(net).run(pixels(2))
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())
    assert all(tensor.is_contiguous() for tensor in net.state_dict().values())
    assert next(net.parameters()).requires_grad
    # and the mode of the network does not change what is exported
    expected = torch_runtime.load(net.eval()).run(pixels(2))
    np.testing.assert_allclose(onnxruntime.load(tmp_path / "a.onnx").run(pixels(2)), expected, atol=1e-6)


def test_export_into_a_place_that_cannot_be_written(net: Network, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        onnxruntime.convert(net, tmp_path / "file" / "a.onnx")


def _rewritten(source: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """As another tool would edit it: the hash stays what it was."""
    model = onnx.load(source)
    info = json.loads(model.metadata_props[0].value)
    change(info)
    model.metadata_props[0].value = json.dumps(info)
    onnx.save(model, target)


def _make_foreign(source: Path, target: Path) -> None:
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "other", [value], [other])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), target)


def _flip_a_bit(source: Path, target: Path) -> None:
    data = bytearray(source.read_bytes())
    at = data.index(onnx.numpy_helper.to_array(onnx.load(source).graph.initializer[0]).tobytes())
    data[at + 3] ^= 1
    target.write_bytes(data)


BAD_FILES: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "missing": ("there is no file", lambda source, target: None),
    "folder": ("cannot read", lambda source, target: target.mkdir()),
    "empty": ("damaged|another program", lambda source, target: target.write_bytes(b"")),
    "text": ("damaged", lambda source, target: target.write_text("not a network at all\n" * 50)),
    "half": ("damaged", lambda source, target: target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])),
    "cut": ("damaged", lambda source, target: target.write_bytes(source.read_bytes()[:-1])),
    "one bit": ("altered", _flip_a_bit),
    "no text": (
        "damaged",
        lambda source, target: target.write_bytes(source.read_bytes().replace(b"Conv", b"\x91onv", 1)),
    ),
    "foreign": ("another program", _make_foreign),
    "version": ("format version 2", lambda s, t: _rewritten(s, t, lambda info: info.update(format_version=2))),
    "task": ("'detect'", lambda s, t: _rewritten(s, t, lambda info: info.update(task="detect"))),
    "edited": ("altered", lambda s, t: _rewritten(s, t, lambda info: info.update(classes=["x"]))),
    "no classes": (
        "metadata .* damaged",
        lambda s, t: _rewritten(s, t, lambda info: [info.pop(key) for key in ("classes", "sha256")]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_refused_in_one_sentence(kind: str, exported: Path, tmp_path: Path) -> None:
    message, make = BAD_FILES[kind]
    make(exported, tmp_path / "bad.onnx")
    with pytest.raises(InputError, match=message) as raised:
        onnxruntime.load(tmp_path / "bad.onnx")
    assert "bad.onnx" in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_edited_on_purpose_loads_without_its_hash(exported: Path, tmp_path: Path) -> None:
    _rewritten(exported, tmp_path / "edited.onnx", lambda info: info.pop("sha256"))
    assert onnxruntime.load(tmp_path / "edited.onnx", 1).classes == onnxruntime.load(exported, 1).classes


def test_an_exported_file_predicts_without_torch(exported: Path, photographs: list[Path]) -> None:
    code = f"""
import sys
for name in ("torch", "torchvision", "onnx", "accelerate", "sklearn"):
    sys.modules[name] = None
from pocketvision.runtimes import onnxruntime
from pocketvision.runtimes.predictor import Exported
model = Exported(onnxruntime.load({str(exported)!r}, 1))
print([result.top(1)[0][1] for result in model.predict({list(map(str, photographs))!r})])
"""
    done = subprocess.run([sys.executable, "-c", code], env=command_environment(), capture_output=True, text=True)
    assert done.stderr == ""
    expected = [result.top(1)[0][1] for result in predict(onnxruntime.load(exported, 1), photographs)]
    assert done.stdout.strip() == str(expected)


@pytest.mark.skipif(usable_cores() < 2, reason="one core: sessions have no helper threads")
def test_an_idle_session_leaves_its_cores_alone(exported: Path) -> None:
    runnable = onnxruntime.load(exported, threads=2)
    time.sleep(0.05)
    runnable.run(pixels(1))
    before = time.process_time()
    time.sleep(0.1)
    assert time.process_time() - before < 0.02  # CPU time, not a latency: by default it is 0.04 and more


# The runtimes


def test_torch_runtime_is_normalisation_network_softmax(net: Network) -> None:
    p, images = net.preprocessing, pixels(2)
    x = (images / 255 - np.array(p.mean)) / np.array(p.std)
    with torch.no_grad():
        expected = net(torch.from_numpy(x.transpose(0, 3, 1, 2)).float()).softmax(1).numpy()
    np.testing.assert_allclose(torch_runtime.load(net).run(images), expected, atol=1e-5)


def test_torch_runtime_keeps_the_network_it_was_given() -> None:
    net = small_network()
    runnable = torch_runtime.load(net)
    before = runnable.run(pixels(2))
    with torch.no_grad():
        last_layer(net).weight.zero_()
    np.testing.assert_array_equal(runnable.run(pixels(2)), before)
    assert np.ptp(torch_runtime.load(net).run(pixels(2))) < 1e-6


def test_torch_threads_are_set_and_restored(net: Network) -> None:
    before = torch.get_num_threads()
    with torch_runtime.thread_count(1):
        assert torch_runtime.load(net).threads == 1
    with torch_runtime.thread_count(0):
        assert torch_runtime.load(net, threads=before + 1).threads == before + 1
    assert torch.get_num_threads() == before


def test_get_runtime_by_name_and_its_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_runtime("onnxruntime") is onnxruntime
    assert installed_runtimes()[:2] == ["onnxruntime", "torch"]
    with pytest.raises(InputError, match="unknown runtime 'onnx': did you mean 'onnxruntime'"):
        get_runtime("onnx")
    with pytest.raises(InputError, match="choose one of onnxruntime, torch"):
        get_runtime("xyz")
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "pocketvision.runtimes.torch")
    with pytest.raises(InputError, match=r"needs torch, .* pip install 'pocketvision\[train\]'"):
        get_runtime("torch")
    assert "onnxruntime" in installed_runtimes()
    assert not any(name.startswith("torch") for name in installed_runtimes())


def test_cpu_quota_of_a_container(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert _quota(tmp_path / "cpu.max") == 2
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert _quota(tmp_path / "cpu.max") > 1000
    assert _quota(tmp_path / "none") > 1000


# Prediction


def test_predict_takes_every_kind_of_image(net: Network, photographs: list[Path]) -> None:
    runnable, path = torch_runtime.load(net), photographs[0]
    expected = runnable.run(prepare(path, net.preprocessing)[None])[0]
    with Image.open(path) as picture:
        array = np.asarray(picture)
        kinds: list[Any] = [path, str(path), ImageFile(path), picture, array, [path], iter([path]), array[None]]
        answers = [predict(runnable, kind) for kind in kinds]
    assert [len(answer) for answer in answers] == [1] * len(kinds)
    for answer in answers:
        np.testing.assert_allclose(answer[0].probabilities, expected, atol=1e-6)
    assert [answer[0].image for answer in answers[:5]] == [str(path)] * 4 + [""]


def test_predict_gives_one_result_each_whatever_the_batch(exported: Path, photographs: list[Path]) -> None:
    model = Exported(onnxruntime.load(exported, threads=1))
    whole = model.predict(photographs)
    assert [result.image for result in whole] == [str(path) for path in photographs]
    assert len({result.probabilities.tobytes() for result in whole}) == 5
    for batch in (1, 2, 5):
        for one, other in zip(predict(model.runnable, photographs, batch), whole, strict=True):
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
    assert model.predict([]) == []


def test_predict_names_what_it_cannot_read(net: Network, tmp_path: Path) -> None:
    runnable = torch_runtime.load(net)
    with pytest.raises(InputError, match=r"nowhere\.jpg"):
        predict(runnable, tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match="cannot predict on int"):
        predict(runnable, 3)  # type: ignore[arg-type]


def test_result_says_the_best_first() -> None:
    result = Result(np.array([0.1, 0.6, 0.3], np.float32), ("ant", "bee", "cat"), "a.jpg")
    assert [(index, name) for index, name, _ in result.top(2)] == [(1, "bee"), (2, "cat")]
    assert len(result.top(10)) == 3
    assert repr(result) == "<Result a.jpg: bee 60.0 %, cat 30.0 %, ant 10.0 %>"
    assert json.loads(json.dumps(result.to_json(1))) == {
        "image": "a.jpg",
        "unsure": False,
        "top": [{"index": 1, "name": "bee", "probability": pytest.approx(0.6)}],
    }


# Verification


def test_compare_finds_agreement(net: Network, exported: Path, photographs: list[Path]) -> None:
    seen: list[tuple[int, int]] = []
    reference, candidate = torch_runtime.load(net), onnxruntime.load(exported, threads=1)
    labels = [result.top(1)[0][0] for result in predict(reference, photographs)]
    labels[0] = (labels[0] + 1) % 4
    check = compare(reference, candidate, photographs, 2, lambda done, total: seen.append((done, total)), labels)
    assert (check.images, check.top1_agreement, check.runtime, check.top1) == (5, 1.0, "onnxruntime", 0.8)
    assert 0 < check.max_abs_error < 1e-5
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert set(check.to_json()) == {"images", "top1_agreement", "max_abs_error", "runtime", "top1"}


def test_compare_finds_a_difference(net: Network, photographs: list[Path]) -> None:
    check = compare(torch_runtime.load(net), torch_runtime.load(small_network(seed=5)), photographs)
    assert check.top1_agreement < 1
    assert check.max_abs_error > 0.01
    assert check.top1 is None
    answering = torch_runtime.load(small_network())  # loading itself refuses such weights
    with torch.no_grad():
        last_layer(answering.shipped.net).bias.fill_(float("nan"))
    assert compare(torch_runtime.load(net), answering, photographs).max_abs_error > 1


def test_compare_uses_the_preprocessing_that_each_carries(net: Network, photographs: list[Path]) -> None:
    other = small_network()
    other.preprocessing = net.preprocessing.from_json({**net.preprocessing.to_json(), "resize": [48, 64]})
    assert compare(torch_runtime.load(net), torch_runtime.load(other), photographs).max_abs_error > 1e-4


def test_compare_refuses_what_cannot_be_compared(net: Network, photographs: list[Path]) -> None:
    other = small_network()
    other.classes = ("bee", "ant", "cat", "dog")
    with pytest.raises(InputError, match="class names"):
        compare(torch_runtime.load(net), torch_runtime.load(other), photographs)
    with pytest.raises(InputError, match="without images"):
        compare(torch_runtime.load(net), torch_runtime.load(net), [])

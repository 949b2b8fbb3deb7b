"""What `predict` takes, and what it gives: arrays, tensors, bytes; named answers; every file that we write."""

from __future__ import annotations

import importlib.util
import io
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pocketvision as pv
from pocketvision.errors import InputError
from pocketvision.measure.settle import settled
from pocketvision.results import Answer, Result
from pocketvision.runtimes import RUNTIMES, SUFFIXES, get_runtime, is_installed
from pocketvision.runtimes.packed import describe, is_packed, pack

CONVERTERS = {"litert": "litert_torch", "ncnn": "pnnx"}  # what writing needs besides the runtime


@pytest.fixture(scope="module")
def net() -> pv.Network:
    torch.manual_seed(0)
    made = settled(pv.create_model("mobilenet_v1", 0.25, 32, ["ant", "bee", "cat"]))
    with torch.no_grad():
        made.head.classifier.weight.normal_(std=0.05)  # answers that differ from image to image
    return made.eval()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Five images, N x H x W x C."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 4, 5, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((50, 40), Image.Resampling.BICUBIC)) for one in coarse])


def same(found: list[Result], expected: list[Result]) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(np.allclose(one.probabilities, other.probabilities, atol=1e-4) for one, other in pairs)


# Tensors and arrays


def test_a_tensor_is_as_many_images_as_it_holds(net: pv.Network, pixels: np.ndarray) -> None:
    expected = net.predict(list(pixels))
    assert not any(same([one], [other]) for one, other in combinations(expected, 2))
    first = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2)  # N x C x H x W
    assert same(net.predict(first), expected) and same(net.predict(first.contiguous()), expected)
    assert same(net.predict(first[2]), expected[2:3]) and same(net.predict(first[:1]), expected[:1])
    assert same(net.predict(list(first)), expected)
    assert same(net.predict(first.permute(0, 2, 3, 1)), expected)  # N x H x W x C
    assert same(net.predict(first.permute(0, 2, 3, 1)[2]), expected[2:3])


def test_floats_from_0_to_1_are_pixels(net: pv.Network, pixels: np.ndarray) -> None:
    expected = net.predict(list(pixels))
    tensor = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2) / 255
    assert same(net.predict(tensor), expected) and same(net.predict(tensor.double().requires_grad_()), expected)
    assert same(net.predict(pixels / 255), expected) and same(net.predict((pixels / 255).astype(np.float32)), expected)


def test_a_subclass_of_a_tensor_is_one_too(net: pv.Network, pixels: np.ndarray) -> None:
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    image = tv_tensors.Image(torch.from_numpy(pixels[0].copy()).permute(2, 0, 1))
    assert same(net.predict(image), net.predict(pixels[0]))


@pytest.mark.parametrize(
    ("shape", "dtype", "said"),
    [
        ((320,), "uint8", "it is uint8 of shape \\(320,\\)"),
        ((2, 5, 40, 50, 3), "uint8", "of shape"),
        ((7, 40, 50), "uint8", "it has 7 channels, the network takes 3"),
        ((3, 40, 50), "int64", "it is int64 of shape"),
        ((3, 40, 50), "bool", "it is bool of shape"),
    ],
)
def test_a_tensor_of_no_image_is_refused(net: pv.Network, shape: tuple[int, ...], dtype: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        net.predict(torch.zeros(shape, dtype=getattr(torch, dtype)))


def test_a_normalised_tensor_is_refused(net: pv.Network) -> None:
    with pytest.raises(InputError, match=r"its numbers go from -2\.1 to 2\.6: give pixels as uint8, or as floats"):
        net.predict(torch.linspace(-2.1, 2.6, 3 * 40 * 50).reshape(3, 40, 50))


def test_an_array_with_its_channels_first_is_told_what_to_do(net: pv.Network, pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"it has 50 channels, the network takes 3; .* array\.transpose\(1, 2, 0\)"):
        net.predict(pixels.transpose(0, 3, 1, 2))


def test_a_grey_image_is_enough_for_a_colour_network(net: pv.Network) -> None:
    grey = np.arange(40 * 50, dtype=np.uint8).reshape(40, 50)
    assert same(net.predict(grey), net.predict(np.repeat(grey[:, :, None], 3, axis=2)))
    assert same(net.predict(torch.from_numpy(grey)), net.predict(grey))


# Other things that hold images


def test_encoded_bytes_and_arrays_of_paths(net: pv.Network, pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels[0]).save(tmp_path / "0.png")
    Image.fromarray(pixels[1]).save(tmp_path / "1.png")
    expected, data = net.predict([pixels[0], pixels[1]]), (tmp_path / "0.png").read_bytes()
    assert same(net.predict(data), expected[:1]) and same(net.predict(bytearray(data)), expected[:1])
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    assert same(net.predict(np.array(paths)), expected) and same(
        net.predict(np.array([str(p) for p in paths])), expected
    )


def test_a_folder_is_all_images_in_it(net: pv.Network, pixels: np.ndarray, tmp_path: Path) -> None:
    for place, image in (("b.png", pixels[1]), ("a/deep.png", pixels[0])):
        (tmp_path / "photos" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / place)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    exported = pv.load(pv.export(net, path=tmp_path / "model.onnx")["path"])
    expected = {str(tmp_path / "photos" / "a" / "deep.png"): pixels[0], str(tmp_path / "photos" / "b.png"): pixels[1]}
    for model in (net, exported):
        for folder in (tmp_path / "photos", str(tmp_path / "photos"), [tmp_path / "photos"]):
            found = model.predict(folder)
            assert {result.image for result in found} == set(expected)
            assert same(found, net.predict([expected[result.image] for result in found]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is no image in"):
        net.predict(tmp_path / "empty")


@pytest.mark.parametrize("images", [{"a.png": 1}, io.BytesIO(b"image"), 5, None])
def test_what_holds_no_images_is_refused(net: pv.Network, images: Any) -> None:
    with pytest.raises(InputError, match="cannot predict on .*: give a path, PIL image or array"):
        net.predict(images)


# Answers


def test_an_answer_has_names_and_is_still_a_tuple() -> None:
    result = Result(np.array([0.1, 0.6, 0.3], np.float32), ("ant", "bee", "cat"))
    assert (result.name, result.index, result.probability) == ("bee", 1, pytest.approx(0.6))
    best, second = result.top(2)
    assert isinstance(best, Answer) and best.name == "bee" and second.probability == pytest.approx(0.3)
    index, name, probability = best
    assert (index, name, probability) == best == result.best and best[1] == "bee"
    assert [entry.name for entry in result.labels(0.2)] == ["bee", "cat"]


# Every file that we write


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_load_opens_what_the_exporters_write(net: pv.Network, pixels: np.ndarray, suffix: str, tmp_path: Path) -> None:
    runtime = SUFFIXES[suffix]
    if not is_installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    if not importlib.util.find_spec(CONVERTERS.get(runtime, "torch")):
        pytest.skip(f"writing {suffix} files needs {CONVERTERS[runtime]}, which is not installed")
    path = get_runtime(runtime).convert(net, tmp_path / f"model{suffix}")
    images, expected = list(pixels), net.predict(list(pixels))
    for place in (path, tmp_path):  # the file, and the folder that holds it
        opened = pv.load(place)
        assert opened.classes == net.classes and not isinstance(opened, pv.Network)
        for ours, theirs in zip(opened.predict(images), expected, strict=True):
            np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=2e-3)
            assert ours.name == theirs.name


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".onnx"])
def test_a_packed_file_goes_to_its_own_runtime(net: pv.Network, suffix: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"a{suffix.upper()}", describe(net, None), b"no engine's bytes")
    assert is_packed(path)
    expected = str(path) if is_installed(SUFFIXES[suffix]) else f"runtime '{SUFFIXES[suffix]}' needs"
    with pytest.raises(InputError, match=expected):
        pv.load(path)


def test_weights_of_another_library_are_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"TFL3" * 100)
    assert not is_packed(tmp_path / "a.tflite") and not is_packed(tmp_path / "missing.tflite")
    with pytest.raises(InputError, match="holds weights of another library"):
        pv.load(tmp_path / "a.tflite")
    with pytest.raises(InputError, match="holds no network: none of model.safetensors, model.onnx, model.tflite"):
        pv.load(tmp_path)
    assert set(SUFFIXES.values()) <= set(RUNTIMES)

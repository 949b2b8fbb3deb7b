"""Temperature and threshold: how they are found, and that they travel with the network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import pocketvision as pv
from pocketvision.calibration import Calibration, calibrate, cross_entropy, fit_temperature, reject_below, tempered
from pocketvision.errors import InputError
from pocketvision.evaluation import Evaluation
from pocketvision.fitting.insight import calibrate_network
from pocketvision.fitting.reliability import calibration_curve, calibration_error, reliability
from pocketvision.measure.settle import settled
from pocketvision.network import Network
from pocketvision.runtimes import onnxruntime
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.weights import file
from test_insight import trained


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    return torch.from_numpy(logits).softmax(1).float().numpy()


def drawn(images: int, temperature: float, classes: int = 5) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Answers whose logits are `temperature` times what the labels were drawn from."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (images, classes))
    honest = softmax(logits).astype(np.float64)
    labels = (honest.cumsum(axis=1) < random.uniform(size=(images, 1))).sum(axis=1).clip(0, classes - 1)
    return softmax(logits * temperature), labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_was_put_in_comes_out(temperature: float) -> None:
    probabilities, labels = drawn(20_000, temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.03)


@pytest.mark.parametrize("images", [12, 300])
def test_no_other_temperature_is_better(images: int) -> None:
    probabilities, labels = drawn(images, 2.0)
    best = fit_temperature(probabilities, labels)
    found = cross_entropy(tempered(probabilities, best), labels)
    assert found <= cross_entropy(probabilities, labels)
    others = [cross_entropy(tempered(probabilities, t), labels) for t in np.geomspace(0.1, 10, 60)]
    assert found < min(others) + 1.5 / images  # the targets are not quite one


def test_few_images_all_right_do_not_make_it_certain() -> None:
    probabilities = np.array([[0.8, 0.2], [0.3, 0.7]] * 5, np.float32)
    labels = np.array([0, 1] * 5)
    temperature = fit_temperature(probabilities, labels)
    assert 0.3 < temperature < 1
    assert tempered(probabilities, temperature).max() < 0.99
    assert fit_temperature(np.array([[1.0, 0.0]] * 5, np.float32), np.zeros(5, np.int64)) == 1.0


def test_tempered_is_the_softmax_of_divided_logits() -> None:
    logits = np.random.default_rng(1).normal(0, 4, (50, 7))
    for temperature in (0.3, 1.0, 5.0):
        found = tempered(softmax(logits), temperature)
        np.testing.assert_allclose(found, softmax(logits / temperature), atol=1e-6)
        assert (found.argmax(axis=1) == logits.argmax(axis=1)).all()


def test_the_threshold_is_the_smallest_that_does() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.float32)
    right = np.array([1, 1, 1, 0, 1, 0], bool)
    assert reject_below(confidence, right, 0.8) == pytest.approx(0.45)  # 4 of 5
    assert reject_below(confidence, right, 0.9) == pytest.approx(0.65)  # 3 of 3
    assert reject_below(confidence, right, 0.5) is None  # nothing has to go
    assert reject_below(confidence, ~right, 0.9) is None  # the surest is wrong
    ties = np.array([0.9, 0.7, 0.7, 0.7], np.float32)
    assert reject_below(ties, np.array([1, 1, 1, 0], bool), 0.9) == pytest.approx(0.8)  # equals stay or go together
    assert reject_below(confidence[::-1], right[::-1], 0.9) == pytest.approx(0.65)


def test_calibrate_halves_the_mistakes() -> None:
    probabilities, labels = drawn(4000, 2.0)
    found = calibrate(probabilities, labels)
    assert found.threshold is not None and found.wanted is not None and found.images == 4000
    honest = tempered(probabilities, found.temperature)
    right = honest.argmax(axis=1) == labels
    kept = honest.max(axis=1) >= found.threshold
    assert found.wanted == pytest.approx(1 - (1 - right.mean()) / 2)
    assert right[kept].mean() >= found.wanted and 0.3 < kept.mean() < 1


def test_expected_calibration_error_by_hand() -> None:
    confidence = np.repeat(np.array([0.95, 0.6], np.float32), 20)
    right = np.array([1] * 18 + [0] * 2 + [1] * 8 + [0] * 12, bool)
    bins = calibration_curve(confidence, right)
    assert [(part["images"], part["accuracy"]) for part in bins] == [(20, 0.4), (20, 0.9)]
    assert calibration_error(bins) == pytest.approx((0.2 + 0.05) / 2, abs=1e-6)
    assert len(calibration_curve(np.linspace(0, 1, 10_000, dtype=np.float32), np.ones(10_000, bool))) == 15


def test_reliability_knows_what_was_before() -> None:
    before, labels = drawn(600, 3.0)
    calibration = calibrate(before, labels)
    found = reliability(Evaluation(labels, tempered(before, calibration.temperature)), calibration, "test")
    assert found["before"]["nll"] == pytest.approx(cross_entropy(before, labels), rel=1e-4)
    assert found["after"]["nll"] < found["before"]["nll"] and found["after"]["ece"] < found["before"]["ece"]
    assert found["fitted_on"] == {"split": "val", "images": 600} and found["split"] == "test"
    assert found["coverage"][-1] == [1.0, pytest.approx(found["top1"])]
    kept = found["kept"]
    mistakes = round((1 - found["top1"]) * 600)
    assert kept["images"] - kept["right"] + kept["wrong_set_aside"] == mistakes
    json.dumps(found)


# It travels


@pytest.fixture(scope="module")
def net() -> Network:
    torch.manual_seed(0)
    net = pv.create_model("mobilenet_v1", width=0.25, resolution=32, classes=["ant", "bee", "cat"], channels=3).eval()
    with torch.no_grad():
        net.head.classifier.weight.normal_(std=1)  # type: ignore[union-attr]
        net.train()(torch.randn(8, 3, 32, 32))
    return net.eval()


@pytest.fixture(scope="module")
def calibrated(net: Network, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The network with a temperature and a threshold, as our file and as ONNX."""
    folder = tmp_path_factory.mktemp("calibrated")
    net.calibration = Calibration(2.5, 0.9999, 0.99, "val", 40)
    paths = file.save(net, folder / "model.safetensors"), onnxruntime.convert(net, folder / "model.onnx")
    net.calibration = Calibration()
    return paths


def test_every_file_carries_it(net: Network, calibrated: tuple[Path, Path]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    expected = tempered(torch_runtime.load(net).run(images), 2.5)
    assert np.abs(expected - torch_runtime.load(net).run(images)).max() > 0.01
    ours, onnx = file.load(calibrated[0]), onnxruntime.load(calibrated[1], 1)
    assert ours.calibration == Calibration(2.5, 0.9999, 0.99, "val", 40)
    assert onnx.info["calibration"] == ours.calibration.to_json() and onnx.threshold == 0.9999
    for runnable in (torch_runtime.load(ours), onnx):
        np.testing.assert_allclose(runnable.run(images), expected, atol=1e-5)
    for network in (ours, pv.load(calibrated[1])):
        for result in network.predict(images):
            assert result.unsure and result.to_json(1)["unsure"] and repr(result).endswith("unsure>")
    assert not any(result.unsure for result in net.predict(images))


def test_files_without_it_load(net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Calibration, "to_json", lambda self: None)
    ours = file.load(file.save(net, tmp_path / "model.safetensors"))
    assert ours.calibration == Calibration(1.0, None)
    assert onnxruntime.load(onnxruntime.convert(net, tmp_path / "old.onnx"), 1).threshold is None


@pytest.mark.parametrize(
    "content",
    [{"temperature": 0}, {"temperature": float("nan")}, {"threshold": 2.0}, {"temperature": "hot"}, {"heat": 1}, [1]],
)
def test_damaged_calibration_is_one_sentence(content: object) -> None:
    with pytest.raises(InputError, match="calibration is damaged"):
        Calibration.from_json(content)


def test_predict_says_unsure(calibrated: tuple[Path, Path], call_cli, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (40, 40), (90, 120, 30)).save(tmp_path / "leaf.png")
    status, stdout, stderr = call_cli("predict", calibrated[1], tmp_path / "leaf.png", "--json")
    assert status == 0, stderr
    assert json.loads(stdout)[0]["unsure"] is True and len(json.loads(stdout)[0]["top"]) == 3
    status, stdout, _ = call_cli("predict", calibrated[1], tmp_path / "leaf.png")
    assert status == 0 and "below 100.0 %" not in stdout and "below 99.99 %" in stdout


def test_calibrating_a_network_changes_no_answer(net: Network) -> None:
    from pocketvision.data.sources import open_dataset

    val = open_dataset("digits").splits["train"][::23]
    grey = settled(pv.create_model("mobilenet_v1", width=0.25, resolution=32, classes=list("0123456789"), channels=1))
    grey = trained(grey, val)
    grey.calibration = Calibration(7.0, 0.5)  # of an earlier resolution: forgotten
    before = torch_runtime.load(grey)
    calibrate_network(grey, val, show=False)
    assert grey.calibration.images == len(val) and grey.calibration.temperature != 7.0
    images = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 1), dtype=np.uint8)
    assert (before.run(images).argmax(axis=1) == torch_runtime.load(grey).run(images).argmax(axis=1)).all()

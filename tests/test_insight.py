"""The closer look at a trained network: Grad-CAM, worst mistakes, doubtful labels."""

from __future__ import annotations

import copy
import dataclasses
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import pocketvision as pv
from pocketvision.calibration import Calibration
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.sources import open_dataset
from pocketvision.evaluation import Evaluation, evaluate_samples
from pocketvision.fitting import insight
from pocketvision.fitting.accuracy import CARRY
from pocketvision.fitting.gradcam import grad_cam
from pocketvision.measure.settle import settled
from pocketvision.network import Network
from pocketvision.report.pictures import BUDGET, SIDE, Picture, cards, picture
from pocketvision.runtimes import torch as torch_runtime


def trained(net: Network, samples: tuple[Sample, ...]) -> Network:
    """The last layer by least squares on what the fixed trunk makes of the samples: enough to be mostly right."""
    images = np.stack([insight.prepare(sample.image, net.preprocessing) for sample in samples])
    shipped = torch_runtime.Shipped(net)
    with torch.no_grad(), torch_runtime.evaluating(net):
        pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - shipped.mean) * shipped.scale
        features = torch.cat([net.head.pool(net.trunk(part)).flatten(1) for part in pixels.split(50)])
        ones = torch.cat([features, torch.ones(len(features), 1)], 1)
        wanted = F.one_hot(torch.tensor([sample.label for sample in samples]), len(net.classes)).float()
        found = torch.linalg.lstsq(ones.T @ ones + 0.1 * torch.eye(ones.shape[1]), ones.T @ wanted).solution
        net.head.classifier.weight.copy_(12 * found[:-1].T)
        net.head.classifier.bias.copy_(12 * found[-1])
    return net.eval()


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Zeros and ones, some of each split."""
    samples = [sample for sample in open_dataset("digits").splits["train"] if sample.label < 2]
    splits = {"train": tuple(samples[::3]), "val": tuple(samples[1::3])}
    return Dataset("digits", "digits", ("0", "1"), splits)


@pytest.fixture(scope="module")
def net(digits: Dataset) -> Network:
    torch.manual_seed(0)
    fresh = settled(pv.create_model("mobilenet_v1", width=0.25, resolution=32, classes=["0", "1"], channels=1))
    return trained(fresh, digits.splits["train"])


def test_grad_cam_is_cam_under_an_averaging_head(net: Network) -> None:
    """Section 3.1 of the paper: the map is the classifier's weights over the features, but for a factor."""
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 1), dtype=np.uint8)
    classes = np.array([0, 1, 1])
    shipped = torch_runtime.Shipped(net)
    with torch.no_grad():
        features = net.trunk((torch.from_numpy(images).permute(0, 3, 1, 2).float() - shipped.mean) * shipped.scale)
        cam = torch.einsum("nchw,nc->nhw", features, net.head.classifier.weight[classes]).relu()
        cam = cam / cam.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)
        expected = F.interpolate(cam[:, None], (64, 96), mode="bilinear")[:, 0].numpy()
    found = grad_cam(net, images, classes)
    assert found.shape == (3, 64, 96) and found.dtype == np.float32 and features.shape[2] * features.shape[3] > 1
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert 0.9 < found.max() <= 1 and found.min() >= 0


def test_grad_cam_points_at_what_counts() -> None:
    """A trunk that sees brightness only: the heat lies where the bright patch lies."""
    net = pv.create_model("mobilenet_v1", width=0.25, resolution=64, classes=2, channels=1).eval()
    net.trunk = torch.nn.Sequential(torch.nn.AvgPool2d(8))
    net.head.classifier = torch.nn.Linear(1, 2)
    with torch.no_grad():
        net.head.classifier.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    image = np.zeros((1, 64, 64, 1), np.uint8)
    image[0, 40:56, 8:24] = 255
    heat = grad_cam(net, image, np.array([0]))[0]
    assert heat[48, 16] > 0.9 and heat[:32].max() < 0.1 and heat[:, 32:].max() < 0.1


def test_grad_cam_leaves_the_network_as_it_was(net: Network) -> None:
    net.train()
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    grad_cam(net, np.zeros((2, 32, 32, 1), np.uint8), np.array([0, 1]))
    assert net.training and all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())
    net.eval()


def test_wrong_labels_are_doubted_and_mistakes_come_worst_first(net: Network, digits: Dataset) -> None:
    train = list(digits.splits["train"])
    wrong = {3, 10, 31}
    train = [dataclasses.replace(s, label=1 - s.label) if i in wrong else s for i, s in enumerate(train)]
    val = [dataclasses.replace(s, label=1 - s.label) if i < 15 else s for i, s in enumerate(digits.splits["val"])]
    data = dataclasses.replace(digits, splits={"train": tuple(train), "val": tuple(val)})
    result = evaluate_samples(torch_runtime.load(net), val, show=False)
    found = insight.look_closely(net, data, result, "val", show=False)
    pictures = insight.pictures_of(net, data, found)
    json.dumps(found)
    doubtful, mistakes = found["doubtful"], found["mistakes"]
    assert {train[i].name for i in wrong} <= {entry["image"] for entry in doubtful["images"]}
    assert doubtful["looked_at"] == doubtful["of"] == len(train) and doubtful["contradicted"] >= 3
    believed = [entry["label_probability"] for entry in doubtful["images"]]
    assert believed == sorted(believed) and believed[0] == doubtful["least"] and max(believed) < 0.5
    sure = [entry["probability"] for entry in mistakes["worst"]]
    assert mistakes["wrong"] >= 14 and len(sure) == insight.SHOWN and sure == sorted(sure, reverse=True)
    assert all(entry["label"] != entry["answer"] for entry in mistakes["worst"] + doubtful["images"])
    assert set(pictures) == {entry["image"] for entry in mistakes["worst"] + doubtful["images"]}
    assert {"pointwise", "depthwise"} <= set(found["profile"]["kinds"]) and "rows" not in found["profile"]
    assert found["profile"]["runtime"] == "onnxruntime"  # where the time of the file that ships goes


def test_nothing_wrong_nothing_shown(net: Network, digits: Dataset) -> None:
    labels = np.array([sample.label for sample in digits.splits["val"]])
    certain = Evaluation(labels, np.eye(2, dtype=np.float32)[labels])
    data = dataclasses.replace(digits, splits={**digits.splits, "train": digits.splits["train"][:4]})
    found = insight.look_closely(net, data, certain, "val", show=False)
    assert found["mistakes"] == {"split": "val", "images": len(labels), "wrong": 0, "worst": []}


def test_what_a_guessing_network_doubts_is_left_out(net: Network, digits: Dataset) -> None:
    labels = np.array([sample.label for sample in digits.splits["val"]])
    always = Evaluation(labels, np.tile(np.array([[0.9, 0.1]], np.float32), (len(labels), 1)))
    found = insight.look_closely(net, digits, always, "val", show=False)
    assert set(found) == {"profile"}
    assert insight.pictures_of(net, digits, found) == {}


def test_probabilities_are_not_calibrated_on_a_guess_or_on_few_images(net: Network, digits: Dataset) -> None:
    calibrated = copy.copy(net)
    insight.calibrate_network(calibrated, digits.splits["val"], show=False)
    assert calibrated.calibration.images == len(digits.splits["val"]) > CARRY
    insight.calibrate_network(calibrated, digits.splits["val"][: CARRY - 1], show=False)
    assert calibrated.calibration == Calibration()
    swapped = tuple(dataclasses.replace(s, label=i % 2) for i, s in enumerate(digits.splits["val"]))
    insight.calibrate_network(calibrated, swapped, show=False)  # labels that no network can know
    assert calibrated.calibration == Calibration()
    certain = Evaluation(np.array([0, 1] * 30), np.eye(2, dtype=np.float32)[[0, 1] * 30])
    few = dataclasses.replace(digits, splits={name: part[:60] for name, part in digits.splits.items()})
    assert "calibration" not in insight.look_closely(calibrated, few, certain, "val", show=False)


def test_the_look_at_labels_is_bounded(net: Network, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    train = digits.splits["train"]
    monkeypatch.setattr(insight, "LOOKED_AT", 50)
    looked, answered = insight._answers_in_time(net, train, False, 60.0)
    assert 25 <= answered.images == len(looked) <= 50 and {sample.label for sample in looked} == {0, 1}
    assert insight._answers_in_time(net, train, False, 0.0)[1].images == 32  # one batch, then time is up


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_picture(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, channels), dtype=np.uint8)
    heat = np.zeros((60, 90), np.float32)
    heat[:30] = 1
    photo, heated = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in picture(pixels, heat))
    assert photo.shape == heated.shape == (60, 90, 3)
    colour = np.ptp(heated.astype(int), axis=2)
    assert colour[:20].mean() > 60 and colour[40:].mean() < 12  # hot is coloured, cold is grey


def test_thumbnails_show_what_the_network_sees(net: Network) -> None:
    larger = insight._thumbnail(net.preprocessing)
    assert larger.resolution == (SIDE, SIDE)
    wide = pv.create_model("mobilenet_v1", width=0.25, resolution=136, classes=2).preprocessing
    wide = dataclasses.replace(wide, resolution=(68, 136), resize=(78, 155))
    larger = insight._thumbnail(wide)
    assert larger.resolution == (SIDE // 2, SIDE)
    assert larger.resize[1] / larger.resolution[1] == pytest.approx(155 / 136, abs=0.01)


def test_pictures_keep_to_their_budget() -> None:
    entries = [{"image": f"{i}.jpg"} for i in range(20)] + [{"image": "unknown.jpg"}]
    pictures = {f"{i}.jpg": Picture(bytes(60_000), bytes(40_000)) for i in range(20)}
    shown, spent = cards(entries, pictures)
    with_picture = [card for card in shown if "photo" in card]
    assert len(shown) == 21 and 5 <= len(with_picture) <= 7 and "photo" not in shown[-1]
    assert spent == sum(len(card["photo"]) + len(card["heat"]) for card in with_picture) <= BUDGET

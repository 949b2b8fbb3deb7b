"""What a stranger gives as weights: variants, checkpoints, grey networks, files in the wrong place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pocketvision as pv
from pocketvision.calibration import Calibration
from pocketvision.fitting.candidates import grid
from pocketvision.fitting.doctor import embedding_of
from pocketvision.fitting.pretrained import Pretrained
from pocketvision.fitting.ship import at_resolution, ladder
from pocketvision.weights import open_weights

torchvision = pytest.importorskip("torchvision")


def test_a_live_module_that_answers_differently_is_refused() -> None:
    variant = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True])
    with pytest.raises(pv.InputError, match="has the tensors of resnet_50 but answers differently"):
        pv.create_model("resnet_50", weights=variant)
    assert variant.training  # left in the mode it was in


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_checkpoints_of_training_scripts(tmp_path: Path, key: str) -> None:
    state = torchvision.models.squeezenet1_1().state_dict()
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({key: parallel, "epoch": 3}, tmp_path / "checkpoint-20240101.pth")
    net = pv.create_model("squeezenet_1.1", weights=tmp_path / "checkpoint-20240101.pth")
    assert torch.equal(net.trunk[0].conv.weight, state["features.0.weight"])


def test_grey_images_are_shown_as_the_mean_of_the_colours() -> None:
    state = torchvision.models.mobilenet_v2().state_dict()
    net = pv.create_model("mobilenet_v2", channels=1, weights=state)
    assert net.preprocessing.mean == pytest.approx((0.449,)) and net.preprocessing.std == pytest.approx((0.226,))


def test_networks_of_ours_keep_task_crop_and_calibration(tmp_path: Path) -> None:
    net = pv.create_model("mobilenet_v1", 0.25, 96, ["a", "b"])
    net.task, net.calibration = "multilabel", Calibration(temperature=2.0, threshold=0.7)
    net.preprocessing = replace(net.preprocessing, resize=(96, 96))
    for source in (net, pv.save(net, tmp_path / "model.safetensors")):
        again = pv.create_model("mobilenet_v1", classes=["a", "b"], weights=source)
        assert (again.spec, again.preprocessing) == (net.spec, net.preprocessing)
        assert (again.task, again.calibration) == (net.task, net.calibration)


def test_a_network_without_the_small_stem_keeps_its_strides() -> None:
    from pocketvision.models import create_spec
    from pocketvision.network import build

    net = build(create_spec("mobilenet_v2", 0.35, 64, 3, small_stem=False)).eval()
    again = pv.create_model("mobilenet_v2", classes=3, weights=net).eval()
    image = torch.randn(1, 3, 64, 64)
    assert again.spec == net.spec and torch.equal(again(image), net(image))


def test_a_dial_stays_in_the_name_at_another_size() -> None:
    net = pv.create_model("shufflenet_v1_g8", width=0.5, resolution=96, classes=3)
    assert at_resolution(net, 104).spec.name == "shufflenet_v1_g8_0.5_104"
    assert min(ladder(pv.create_model("squeezenet_1.0", resolution=32, classes=3))) >= 24


def test_weights_of_any_family_and_number_of_classes_start_a_fit() -> None:
    squeezenet = open_weights(torchvision.models.squeezenet1_1(num_classes=21).state_dict())
    found = grid(2, 3, 300, Pretrained.of(squeezenet, 2, 3), _no_limits())
    assert any(candidate.pretrained for candidate in found)
    assert "squeezenet_1.1" in str(embedding_of(squeezenet))


def _no_limits():
    from pocketvision.fitting.limits import Limits

    return Limits()


@pytest.mark.parametrize("name", ["x.pth", "x.tflite", "x.npz"])
def test_weights_where_a_model_belongs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(pv.InputError, match="holds weights of another library: give a network's name and --pretrained"):
        pv.load(tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "shufflenet_v2", "weights": "auto"}, "there are no weights of shufflenet_v2 to download"),
        ({"name": "mobilenet_v1_0.75_192", "resolution": 0}, "resolution 0 of mobilenet_v1_0.75_192"),
        ({"name": "mobilenet_v2", "weights": {}}, "this state dict holds no network"),
    ],
)
def test_one_sentence(arguments: dict, message: str) -> None:
    with pytest.raises(pv.InputError, match=message):
        pv.create_model(**arguments)


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 6, 8])
def test_stems_of_any_number_of_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str], channels: int) -> None:
    state = torchvision.models.squeezenet1_1(num_classes=3).state_dict()
    state["features.0.weight"] = torch.randn(64, channels, 3, 3)
    found = open_weights(state)
    assert found.channels == channels
    net = pv.create_model("squeezenet_1.1", classes=3, channels=channels, weights=found)
    assert torch.equal(net.trunk[0].conv.weight, state["features.0.weight"])
    for other in {1, 3} - {channels}:
        with pytest.raises(pv.InputError, match=f"{channels} input channels?, the network {other}: give --channels"):
            pv.create_model("squeezenet_1.1", classes=3, channels=other, weights=state)
    assert "sum" not in capsys.readouterr().err


def test_summed_colours_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    pv.create_model("squeezenet_1.1", channels=1, weights=torchvision.models.squeezenet1_1().state_dict())
    assert "was trained on colours: grey images are seen with the sum of its first filters" in capsys.readouterr().err


def test_the_channels_of_images_and_of_weights(capsys: pytest.CaptureFixture[str]) -> None:
    from pocketvision.fitting.survey import Survey, input_channels

    def weights(channels: int) -> Any:
        return open_weights(pv.create_model("mobilenet_v1", 0.25, 32, 2, channels))

    grey, colour = Survey(64, 1), Survey(64, 3)
    assert [input_channels(looked, None) for looked in (grey, colour)] == [1, 3]
    assert input_channels(grey, weights(3)) == 3 and not capsys.readouterr().err
    assert input_channels(colour, weights(1)) == 1
    assert "was trained on grey images: these are seen without their colours" in capsys.readouterr().err
    for channels in (2, 4, 6):
        with pytest.raises(pv.InputError, match=f"was trained on {channels} channels, the images have 3"):
            input_channels(colour, weights(channels))


@pytest.mark.parametrize("start", [pv.train, pv.fit])
def test_colour_pictures_with_weights_of_six_channels(tmp_path: Path, start: Any) -> None:
    for name in ("a/1", "a/2", "b/1", "b/2"):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    weights = pv.save(pv.create_model("mobilenet_v1", 0.25, 32, 2, channels=6), tmp_path / "six.safetensors")
    given = {"model": "mobilenet_v1"} if start is pv.train else {"budget": "5ms"}
    with pytest.raises(pv.InputError, match="six.safetensors was trained on 6 channels, the images have 3"):
        start(tmp_path / "data", **given, pretrained=weights, out=tmp_path / "run", show=False)

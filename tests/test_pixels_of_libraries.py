"""The pixels a network sees are those of the library that its weights come from, by that library's own transforms."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pocketvision as pv
from pocketvision.data.image import Preprocessing, prepare
from pocketvision.errors import InputError
from pocketvision.weights import image_processor, timm_config
from pocketvision.weights.looks import Looks

SIZES = [(150, 200), (301, 77), (64, 333), (500, 375), (97, 97), (31, 20)]


def pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def normalised(image: np.ndarray, p: Preprocessing) -> np.ndarray:
    shown = (prepare(image, p) / 255.0 - np.array(p.mean)) / np.array(p.std)
    return shown.transpose(2, 0, 1)


def shown_by(looks: Looks) -> Preprocessing:
    assert looks.exact
    return looks.at(looks.exact[0])


TIMM: dict[str, dict[str, Any]] = {
    "mobilenetv1_125": {"input_size": (3, 224, 224), "crop_pct": 0.9, "interpolation": "bicubic"},
    "seresnet50": {"input_size": (3, 224, 224), "crop_pct": 0.95, "interpolation": "bicubic"},
    "xception": {"input_size": (3, 299, 299), "crop_pct": 0.8975, "interpolation": "bicubic"},
    "small": {"input_size": (3, 64, 64), "crop_pct": 0.875, "interpolation": "bilinear"},
    "squash": {"input_size": (3, 96, 96), "crop_pct": 0.9, "crop_mode": "squash", "interpolation": "bilinear"},
    "squash, not square": {"input_size": (3, 96, 130), "crop_pct": 1.0, "crop_mode": "squash"},
    "border": {"input_size": (3, 96, 96), "crop_pct": 0.9, "crop_mode": "border", "mean": (0.2, 0.5, 0.8)},
    "border, not square": {"input_size": (3, 96, 131), "crop_pct": 1.0, "crop_mode": "border"},
    "not square": {"input_size": (3, 96, 131), "crop_pct": 0.9},
    "lanczos": {"input_size": (3, 96, 96), "crop_pct": 0.9, "interpolation": "lanczos"},
    "nearest": {"input_size": (3, 96, 96), "crop_pct": 0.9, "interpolation": "nearest"},
    "box": {"input_size": (3, 96, 96), "crop_pct": 0.9, "interpolation": "box"},
    "hamming": {"input_size": (3, 96, 96), "crop_pct": 0.9, "interpolation": "hamming"},
    "nothing said": {"num_classes": 1000},
}


@pytest.mark.parametrize("case", TIMM)
def test_pixels_are_timms(case: str) -> None:
    data = pytest.importorskip("timm.data")
    config = data.resolve_data_config(pretrained_cfg=TIMM[case], model=None, args={})
    transform = data.create_transform(**config)
    p = shown_by(timm_config.read_looks(TIMM[case], 3))
    for height, width in SIZES:
        image = pixels(height, width)
        theirs = transform(Image.fromarray(image)).numpy()
        assert np.abs(theirs - normalised(image, p)).max() < 1e-5, (height, width)


def test_pixels_are_those_of_every_timm_network_that_is_read() -> None:
    """The box before the crop, from bare tensors and from each network's own config."""
    timm = pytest.importorskip("timm")
    for name in ("mobilenetv1_125", "mobilenetv2_035", "mobilenetv3_small_050", "tf_mobilenetv3_small_minimal_100"):
        module = timm.create_model(name, num_classes=2)
        config = timm.data.resolve_data_config(model=module)
        transform = timm.data.create_transform(**config)
        net = pv.create_model(pv.weights.open_weights(module).family, classes=2, weights=module)
        bare = pv.weights.open_weights({"arch": name, "state_dict": module.state_dict()})
        image = pixels(301, 277)
        theirs = transform(Image.fromarray(image)).numpy()
        for p in (net.preprocessing, bare.looks.at((224, 224))):  # type: ignore[union-attr]
            assert np.abs(theirs - normalised(image, p)).max() < 1e-5, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_mode": "corner"}, "crop_mode 'corner' is not known"),
        ({"interpolation": "random"}, "interpolation 'random' is not known"),
        ({"crop_pct": 1.2}, "crop_pct 1.2 shows images with a black frame"),
        ({"global_pool": "catavgmax"}, "global_pool 'catavgmax'"),
        ({"model_args": {"act_layer": "gelu"}}, "model_args has act_layer 'gelu'"),
        ({"mean": [0.5, 0.5]}, r"mean is \[0.5, 0.5\]: 2 numbers for a network of 3 input channels"),
        ({"mean": [0.5, math.nan, 0.5]}, r"mean is \[0.5, nan, 0.5\]: give finite numbers"),
        ({"mean": "0.5"}, "mean is '0.5': give finite numbers"),
        ({"std": [0.5, 0.0, 0.5]}, r"std is \[0.5, 0.0, 0.5\]: give finite numbers above zero"),
        ({"std": math.inf}, "std is inf: give finite numbers above zero"),
        ({"input_size": [3, 0, 224]}, r"input_size is \[3, 0, 224\]: give finite numbers above zero"),
    ],
)
def test_what_a_timm_config_says_and_is_not_had(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        timm_config.read_looks(change, 3)


@pytest.mark.parametrize(("given", "meant"), [(0.25, 0.25), ([0.25], 0.25), (0, 0.0), ((0.25,), 0.25)])
def test_one_mean_of_a_timm_config_is_that_of_every_channel(given: Any, meant: float) -> None:
    looks = timm_config.read_looks({"mean": given, "std": [0.5]}, 3)
    assert (looks.mean, looks.std) == ((meant,) * 3, (0.5,) * 3)
    assert timm_config.read_looks({"mean": [0.5] * 3, "std": 0.5}, 1).grey().mean == (0.5,)  # of colours, for grey


@pytest.mark.parametrize("channels", [1, 6])
def test_interpolation_and_crop_stay_with_other_channels(channels: int) -> None:
    timm = pytest.importorskip("timm")
    state = timm.create_model("mobilenetv1_125", num_classes=2, in_chans=channels).state_dict()
    p = pv.create_model("mobilenet_v1", classes=2, channels=channels, weights=state).preprocessing
    assert (p.interpolation, p.resize, p.mean) == ("bicubic", (248, 248), (0.5,) * channels)


PROCESSORS: dict[str, dict[str, Any]] = {
    "as MobileNetV2": {},
    "mean": {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    "odd crop": {"size": {"shortest_edge": 103}, "crop_size": {"height": 96, "width": 96}},
    "crop not square": {"size": {"shortest_edge": 140}, "crop_size": {"height": 96, "width": 131}},
    "stretched": {"size": {"height": 96, "width": 131}, "do_center_crop": False},
    "stretched, cropped": {"size": {"height": 131, "width": 120}, "crop_size": {"height": 96, "width": 101}},
    "bicubic": {"resample": 3},
    "lanczos": {"resample": 1},
    "nearest": {"resample": 0, "size": {"shortest_edge": 100}, "crop_size": 96},
    "box": {"resample": 4},
    "hamming": {"resample": 5},
    "scaled to two": {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
    "not scaled": {"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3},
    "not normalised": {"do_normalize": False},
    "a number as size": {"size": 130, "crop_size": 96},
}


@pytest.fixture(scope="module")
def processor() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("transformers")
        from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil
    return MobileNetV2ImageProcessorPil


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", PROCESSORS)
def test_pixels_are_transformers(processor: Any, case: str) -> None:
    made = processor(**PROCESSORS[case])
    config = json.loads(made.to_json_string())
    p = shown_by(image_processor.read_looks(config, 3))
    for height, width in SIZES:
        image = pixels(height, width)
        theirs = made(Image.fromarray(image), return_tensors="np")["pixel_values"][0]
        scale = max(1.0, float(np.abs(theirs).max()))
        assert np.abs(theirs - normalised(image, p)).max() < 1e-5 * scale, (height, width)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"do_pad": True}, "do_pad True"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order True"),
        ({"rescale_offset": True}, "rescale_offset True"),
        ({"crop_pct": 0.9}, "crop_pct 0.9"),
        ({"do_resize": False}, "do_resize false"),
        ({"do_center_crop": False}, "do_center_crop false"),
        ({"size": {"shortest_edge": 256, "longest_edge": 400}}, "gives a size by longest_edge, shortest_edge"),
        ({"size": {"max_height": 256, "max_width": 400}}, "gives a size by max_height, max_width"),
        ({"resample": 9}, "resample 9"),
        ({"image_mean": [0.5]}, "images of 1 channel for a network of 3"),
        ({"image_mean": math.nan}, "image_mean of its image processor is nan: give finite numbers"),
        ({"image_std": [0.5, 0, 0.5]}, r"image_std of its image processor is \[0.5, 0, 0.5\]: .* above zero"),
        ({"rescale_factor": math.nan}, "rescale_factor of its image processor is nan: give finite numbers above zero"),
    ],
)
def test_what_an_image_processor_says_and_is_not_had(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        image_processor.read_looks(change, 3)


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_it_survives_files_folders_and_exports(tmp_path: Path, fit: str) -> None:
    net = pv.create_model("mobilenet_v1", 0.25, 64, ["a", "b"])
    net.preprocessing = Preprocessing((64, 64), (70, 71), interpolation="lanczos", fit=fit, crop_floor=True)
    pv.save(net, tmp_path / "model.safetensors")
    net.save_pretrained(tmp_path / "hub")
    pv.export(net, path=tmp_path / "model.onnx")
    image = pixels(90, 200)
    for path in ("model.safetensors", "hub", "model.onnx"):
        again = pv.load(tmp_path / path)
        assert again.preprocessing == net.preprocessing, path
    assert not np.array_equal(
        prepare(image, net.preprocessing), prepare(image, replace(net.preprocessing, fit="cover"))
    )
    again = pv.create_model("mobilenet_v1", 0.25, 96, ["a", "b"], weights=net)
    assert again.preprocessing == replace(net.preprocessing, resolution=(96, 96), resize=(105, 105))


def test_grey_images_are_filled_with_their_mean() -> None:
    p = Preprocessing((40, 40), (40, 40), 1, (0.5,), (0.5,), fit="pad")
    shown = prepare(np.zeros((10, 40, 1), np.uint8), p)
    assert set(np.unique(shown)) == {0, 128} and (shown[:15] == 128).all() and (shown[15:25] == 0).all()

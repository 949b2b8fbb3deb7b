"""Networks that share every tensor and answer differently: told apart by name, asked for, or refused."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import pocketvision as pv
from conftest import ROOT
from pocketvision.weights import open_weights

timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")
FOLDER = ROOT / "experiments" / "parity"


@pytest.fixture(scope="module")
def experiment() -> ModuleType:
    """experiments/parity/lookalikes.py, which finds references.py beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location("lookalikes", FOLDER / "lookalikes.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules.pop("references")
        sys.modules.pop("progress")
    return module


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("mobilenetv3_small_050", "agrees"),
        ("tf_mobilenetv3_small_075", "agrees"),
        ("resnetblur50", "refused: this state dict is of resnetblur50 (blurs before each stride)"),
    ],
)
def test_a_network_is_never_taken_for_another(experiment: ModuleType, name: str, named: str) -> None:
    row = experiment.compare("timm", name, lambda: timm.create_model(name, pretrained=False))
    assert row["bare"].startswith("refused: this state dict has the tensors of ") and " and of " in row["bare"]
    assert row["named"].startswith(named) and row["alive"].startswith(named.replace("state dict", "ResNet"))
    assert experiment.failures(row) == []


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(timm.create_model("mobilenetv3_small_050", num_classes=3).state_dict())


@pytest.mark.parametrize(
    ("name", "padding"),
    [
        ("tf_mobilenetv3_small_075-da427f52.pth", "tf_same"),
        ("mobilenetv3_small_050_lambc-4b7bbe87.pth", "torch"),
        ("tf-mobilenetv3-small-100.pth", "tf_same"),
        ("mobilenetv3-small-050.pth", "torch"),
        ("best.pth@tf_mobilenetv3_small_050", "tf_same"),
        ("best.pth@mobilenetv3_small_050", "torch"),
        ("mobilenetv3_small_050.pth@tf_mobilenetv3_small_050", "tf_same"),
    ],
)
def test_the_files_name_or_the_callers_word_tells(
    state: dict[str, Any], tmp_path: Path, name: str, padding: str
) -> None:
    torch.save(state, tmp_path / name.partition("@")[0])
    net = pv.create_model("mobilenet_v3_small", classes=3, weights=tmp_path / name)
    assert net.spec.conventions.padding == padding
    assert net.spec.conventions.bn_eps == (1e-3 if padding == "tf_same" else 1e-5)
    assert net.preprocessing.mean[0] == (0.5 if padding == "tf_same" else 0.485)


def test_a_file_that_nothing_tells_is_asked_for(state: dict[str, Any], tmp_path: Path, call_cli: Any) -> None:
    torch.save(state, tmp_path / "best.pth")
    with pytest.raises(pv.InputError, match=r"FILE@tf_mobilenetv3_small_100") as caught:
        open_weights(tmp_path / "best.pth")
    assert "tf_mobilenetv3_small_100 (TensorFlow's padding) and of mobilenetv3_small_100" in str(caught.value)
    with pytest.raises(pv.InputError, match="'efficientnet_b0' is none of them"):
        open_weights(tmp_path / "best.pth@efficientnet_b0")
    assert open_weights(state, "mobilenetv3_small_050").family == "mobilenet_v3_small"
    given = ("--classes", 3, "--pretrained", tmp_path / "best.pth@tf_mobilenetv3_small_050")
    done = call_cli("export", "mobilenet_v3_small", *given, "--out", tmp_path / "net.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def timm_folder(folder: Path, state: dict[str, Any], architecture: str) -> Path:
    save_file(state, folder / "model.safetensors")
    said = {"architecture": architecture, "num_classes": 3, "pretrained_cfg": {"input_size": [3, 96, 96]}}
    (folder / "config.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("part", ["", "model.safetensors"])
def test_folders_say_what_they_hold(state: dict[str, Any], tmp_path: Path, part: str) -> None:
    for architecture, padding in (("tf_mobilenetv3_small_050", "tf_same"), ("mobilenetv3_small_050", "torch")):
        source = timm_folder(tmp_path, state, architecture) / part
        net = pv.create_model("mobilenet_v3_small", classes=3, weights=source)
        assert net.spec.conventions.padding == padding
    with pytest.raises(pv.InputError, match="nothing says which"):
        open_weights(timm_folder(tmp_path, state, "renamed_by_somebody") / part)


@pytest.mark.parametrize("architecture", ["resnetaa50", "resnetblur50", "resnetaa50.a1h_in1k"])
def test_folders_of_look_alikes_are_refused(tmp_path: Path, architecture: str) -> None:
    state = dict(timm.create_model("resnet50", num_classes=3).state_dict())
    with pytest.raises(pv.InputError, match=rf"is of {architecture} \(.*\), whose tensors are also those of resnet_50"):
        pv.load(timm_folder(tmp_path, state, architecture))


def test_shortcuts_of_pytorchcvs_squeezenet() -> None:
    provider = pytest.importorskip("pytorchcv.model_provider")
    state = provider.get_model("squeezeresnet_v1_1").state_dict()
    with pytest.raises(pv.InputError, match="squeezenet_v1_0 .no shortcuts. and of squeezeresnet_v1_0 .shortcuts."):
        open_weights(state)
    assert open_weights(state, "squeezeresnet_v1_1").origin.option == "simple"
    assert open_weights({"arch": "squeezenet_v1_1", "state_dict": state}).origin.option == "none"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("resnet50-0676ba61.pth", True),
        ("resnet50_a1_0-best.pth", True),
        ("nvidia_resnet50_v1.5.pth", True),
        ("gluon_resnet50_v1b.pth", True),
        ("resnet50_caffe.pth", "is of resnet50_caffe.pth .strides in the first 1x1"),
        ("resnet50-caffe.pth", "is of resnet50-caffe.pth .strides in the first 1x1"),
        ("detectron_resnet50.pth", "is of detectron_resnet50.pth .strides in the first 1x1"),
        ("resnet50_v1.pth", "nothing says which: .*FILE@resnet50"),
        (
            "model.pth",
            "resnet50_caffe .strides in the first 1x1. and of resnet50 .strides in the 3x3. and of resnetaa50",
        ),
    ],
)
def test_resnets_by_the_names_of_their_files(tmp_path: Path, name: str, read: bool | str) -> None:
    """Caffe's ResNet-50, converted: every tensor as torchvision has it, the strides elsewhere."""
    with torch.device("meta"):
        state = torchvision.models.resnet50(num_classes=3).state_dict()
    torch.save({key: torch.zeros(()).expand(tensor.shape) for key, tensor in state.items()}, tmp_path / name)
    if read is True:
        assert open_weights(tmp_path / name).family == "resnet_50"
    else:
        with pytest.raises(pv.InputError, match=str(read)):
            open_weights(tmp_path / name)


TIMM = {"gp": None, "bn_eps": None, "model_kwargs": {}, "mean": None, "interpolation": "", "img_size": None}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"gp": "max"}, "global_pool 'max'"),
        ({"model_kwargs": {"act_layer": "silu"}}, "model_args has act_layer 'silu'"),
        ({"model_kwargs": {"output_stride": 16}}, "model_args has output_stride 16"),
        ({"std": [0.0]}, r"std is \[0.0\]: give finite numbers above zero"),
        ({"bn_eps": float("nan")}, "bn_eps is nan"),
    ],
)
def test_arguments_of_timms_script_that_make_another_network(said: dict[str, Any], message: str) -> None:
    state = timm.create_model("mobilenetv2_035", num_classes=3).state_dict()
    content = {"state_dict": state, "arch": "mobilenetv2_035", "args": argparse.Namespace(**{**TIMM, **said})}
    with pytest.raises(pv.InputError, match=f"this state dict, by the arguments in it: {message}"):
        open_weights(content)


def test_arguments_of_timms_script_are_honoured(experiment: ModuleType) -> None:
    module = experiment.build_reference(
        experiment.Reference(
            "timm", "", "", lambda: timm.create_model("mobilenetv2_035", num_classes=3, bn_eps=1e-2, global_pool="avg")
        )
    )
    said = {"bn_eps": 1e-2, "gp": "avg", "mean": [0.25], "std": [0.5] * 3, "crop_pct": 0.75, "img_size": 96}
    content = {"state_dict": module.state_dict(), "args": argparse.Namespace(**{**TIMM, **said})}
    net = pv.create_model("mobilenet_v2", classes=3, weights=content)
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(net.eval()(image), module(image), atol=1e-5)
    p = net.preprocessing
    assert (p.mean, p.std, p.resolution, p.resize, p.interpolation) == (
        (0.25,) * 3, (0.5,) * 3, (96, 96), (128, 128), "bicubic",
    )  # fmt: skip


def test_arguments_of_torchvisions_script_say_how_images_are_shown() -> None:
    state = torchvision.models.mobilenet_v2(num_classes=3).state_dict()
    said = {"val_crop_size": 96, "val_resize_size": 100, "interpolation": "bicubic", "model": "mobilenet_v2"}
    p = pv.create_model("mobilenet_v2", classes=3, weights={"model": state, "args": said}).preprocessing
    assert (p.resolution, p.resize, p.interpolation) == ((96, 96), (100, 100), "bicubic")


def test_torchvisions_quantizable_mobilenet(capsys: pytest.CaptureFixture[str]) -> None:
    state = torchvision.models.mobilenet_v2(num_classes=3).state_dict()
    assert pv.create_model("mobilenet_v2", classes=3, weights=state).spec.trunk[0].act == "relu6"
    assert (
        "is taken for mobilenet_v2 (ReLU6); where it is quantized_mobilenet_v2 (ReLU), give FILE@quantized"
        in capsys.readouterr().err
    )
    called = open_weights(state, "quantized_mobilenet_v2")
    assert not capsys.readouterr().err
    assert pv.create_model("mobilenet_v2", classes=3, weights=called).spec.trunk[0].act == "relu"


def test_a_live_look_alike_is_refused_for_other_classes_too() -> None:
    with pytest.raises(pv.InputError, match="this ResNet is of resnetaa50"):
        pv.create_model("resnet_50", classes=["ant", "bee"], weights=timm.create_model("resnetaa50", num_classes=3))
    quantizable = torchvision.models.quantization.mobilenet_v2(quantize=False)
    quantizable.features[0][1].weight.data.fill_(20)  # beyond six
    with pytest.raises(pv.InputError, match="has the tensors of mobilenet_v2 but answers differently"):
        pv.create_model("mobilenet_v2", classes=["ant", "bee"], weights=quantizable)

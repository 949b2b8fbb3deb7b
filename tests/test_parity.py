"""Every family beside another library's network, with the comparison of experiments/parity, on its lighter members."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from conftest import ROOT

pytest.importorskip("torchvision")

FOLDER = ROOT / "experiments" / "parity"
LIGHT = (
    "torchvision/mobilenet_v2",
    "torchvision/mobilenet_v3_small",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/squeezenet1_1",
    "torchvision/mnasnet0_5",
    "timm/mobilenetv1_100",
    "timm/mobilenetv2_035",
    "timm/mobilenetv3_small_050",
    "timm/tf_mobilenetv3_small_075",
    "timm/tf_mobilenetv3_small_minimal_100",
    "timm/semnasnet_050",
    "timm/mnasnet_small",
    "timm/legacy_seresnet50",
    "transformers/MobileNetV1 0.25",
    "transformers/MobileNetV2 0.35",
    "pytorchcv/shufflenet_g8_w1",
    "pytorchcv/squeezeresnet_v1_1",
)


@pytest.fixture(scope="module")
def experiment() -> ModuleType:
    """experiments/parity/run.py, which finds references.py beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location("parity", FOLDER / "run.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules.pop("references")
        sys.modules.pop("progress")
    return module


@pytest.mark.parametrize("name", LIGHT)
def test_a_family_answers_as_the_other_library(experiment: ModuleType, name: str) -> None:
    reference = {reference.id: reference for reference in experiment.references()}[name]
    if experiment.missing_library(reference):
        pytest.skip(f"{reference.library} is not installed: pip install 'pocketvision[parity]'")
    found = experiment.compare(reference)
    assert found["failures"] == []
    assert found["params"] > 0 and found["macs"] > 0


def test_a_difference_is_found(experiment: ModuleType) -> None:
    """The comparison has teeth: an epsilon, or a statistic that moves otherwise, does not pass."""
    reference = next(reference for reference in experiment.references() if reference.name == "mobilenet_v3_small")
    module = experiment.build_reference(reference)
    net = experiment.ours_of(reference, module)
    assert experiment.compare_eval(net, module, 64) < experiment.EVAL_LIMIT
    norms = [part for part in net.modules() if type(part).__name__ == "BatchNorm2d"]
    for norm in norms:
        norm.eps *= 2
    assert experiment.compare_eval(net, module, 64) > 10 * experiment.EVAL_LIMIT
    for norm in norms:
        norm.eps /= 2
        norm.momentum *= 2
    found = experiment.compare_train(net, module, side=64)
    assert found["outputs"] < experiment.TRAIN_LIMIT < found["running statistics"]


def test_every_family_is_compared_or_has_no_reference(experiment: ModuleType) -> None:
    """`mobilenet_v1_full`, `mobilenet_v1_shallow` and `resnet_50_separable` are nobody else's networks."""
    from pocketvision.models import MODELS

    compared = {reference.family for reference in experiment.references()}
    assert compared <= set(MODELS)
    assert set(MODELS) - compared == {"mobilenet_v1_full", "mobilenet_v1_shallow", "resnet_50_separable"}

"""Every family, small: built, trained for two steps, saved, loaded in a fresh process, exported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch

import pocketvision as pv
from conftest import command_environment
from pocketvision.exporting import export
from pocketvision.models import MODELS
from pocketvision.network import Network

WIDTH, SIDE, CLASSES = 0.35, 96, 7
EXTRA = {
    "shufflenet_v1_g8": ("shufflenet_v1", {"groups": 8}),
    "squeezenet_1.0_complex": ("squeezenet_1.0", {"bypass": "complex"}),
}
NETWORKS = [*MODELS, *EXTRA]

LOAD = """
import sys
from pathlib import Path
import numpy as np
import torch
import pocketvision as pv
torch.set_num_threads(1)
image = torch.from_numpy(np.load("image.npy"))
for path in Path().glob("*.safetensors"):
    with torch.inference_mode():
        np.save(path.with_suffix(".npy"), pv.load(path)(image).numpy())
"""


class Trained(NamedTuple):
    net: Network
    losses: list[float]
    answer: np.ndarray
    in_another_process: np.ndarray


def two_steps(net: Network) -> list[float]:
    """SGD on one batch of noise: the losses before each of two steps."""
    torch.manual_seed(0)
    images, labels = torch.randn(8, 1, SIDE, SIDE), torch.arange(8) % CLASSES
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    folder = tmp_path_factory.mktemp("families")
    image = torch.randn(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    np.save(folder / "image.npy", image.numpy())
    nets, losses, answers = {}, {}, {}
    for name in NETWORKS:
        torch.manual_seed(0)
        family, dial = EXTRA.get(name, (name, {}))
        net = pv.create_model(family, width=WIDTH, resolution=SIDE, classes=CLASSES, channels=1, **dial)
        losses[name] = two_steps(net.train())
        pv.save(net, folder / f"{name}.safetensors")
        nets[name] = net.eval()
        with torch.inference_mode():
            answers[name] = net(image).numpy()
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=folder, env=command_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    again = {name: np.load(folder / f"{name}.npy") for name in NETWORKS}
    return {name: Trained(nets[name], losses[name], answers[name], again[name]) for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_trains_and_comes_back_in_a_fresh_process(name: str, trained: dict[str, Trained]) -> None:
    one = trained[name]
    assert all(np.isfinite(one.losses)) and one.losses[0] != one.losses[1]
    assert all(parameter.grad is not None for parameter in one.net.parameters())
    assert one.answer.shape == (2, CLASSES)
    assert np.array_equal(one.answer, one.in_another_process)


@pytest.mark.parametrize("name", NETWORKS)
def test_its_export_answers_alike_and_has_no_tensor_of_five_axes(
    name: str, trained: dict[str, Trained], tmp_path: Path
) -> None:
    report = export(trained[name].net, "onnx", tmp_path / "model.onnx")
    assert report["max_abs_error"] < 1e-4 and report["top1_agreement"] == 1
    graph = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "model.onnx")).graph
    axes = [len(value.type.tensor_type.shape.dim) for value in graph.value_info]
    assert len(axes) > 10 and max(axes) <= 4


@pytest.mark.parametrize("name", NETWORKS)
def test_its_name_builds_it_again(name: str, trained: dict[str, Trained]) -> None:
    spec = trained[name].net.spec
    assert pv.create_model(spec.name, classes=CLASSES, channels=1).spec == spec


@pytest.mark.parametrize("name", MODELS)
def test_features_by_stride(name: str, trained: dict[str, Trained]) -> None:
    net = trained[name].net
    found = pv.features(net, torch.zeros(1, 1, SIDE, SIDE))
    assert list(found) == sorted(found) and len(found) >= 4
    for stride, feature in found.items():
        # Rows without padding lose some pixels on the way.
        assert abs(feature.shape[-1] - SIDE / stride) <= 3, (stride, feature.shape)
    with torch.inference_mode():
        image = torch.randn(1, 1, SIDE, SIDE)
        assert torch.allclose(net.head(list(pv.features(net, image).values())[-1]), net(image))


def test_weights_begin_as_the_papers_have_them() -> None:
    torch.manual_seed(0)
    squeezenet = pv.create_model("squeezenet_1.0")
    wide = squeezenet.trunk[8].expand3x3.conv.weight  # Glorot's uniform: +-sqrt(6 / (fan in + fan out))
    bound = (6 / (9 * (wide.shape[0] + wide.shape[1]))) ** 0.5
    assert 0.98 * bound < wide.abs().max().item() <= bound
    assert squeezenet.head.classifier.weight.std().item() == pytest.approx(0.01, rel=0.02)
    v3 = pv.create_model("mobilenet_v3_large")
    assert v3.trunk[13].expand.conv.weight.std().item() == pytest.approx((2 / 672) ** 0.5, rel=0.02)
    assert {module.eps for module in v3.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {1e-3}
    assert all(not bool(module.bias.any()) for module in v3.modules() if isinstance(module, torch.nn.Linear))

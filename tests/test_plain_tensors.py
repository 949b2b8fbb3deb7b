"""Tensors in checkpoints that are stored otherwise than as dense float32: unpacked, or refused in one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import pocketvision as pv
from pocketvision.weights import open_weights

torchvision = pytest.importorskip("torchvision")
STEM = "features.0.weight"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(torchvision.models.squeezenet1_1(num_classes=3).state_dict())


READ: dict[str, Callable[[Tensor], Tensor]] = {
    "float64": Tensor.double,
    "bfloat16": Tensor.bfloat16,
    "half": Tensor.half,
    **{str(kind): (lambda t, kind=kind: t.to(kind)) for kind in (torch.float8_e4m3fn, torch.float8_e5m2)},
    "sparse": Tensor.to_sparse,
    "sparse, compressed": lambda t: t.flatten(1).to_sparse_csr(),
}


@pytest.mark.parametrize("case", READ)
def test_other_ways_to_store_a_tensor_are_unpacked(state: dict[str, Tensor], tmp_path: Path, case: str) -> None:
    name = "classifier.1.weight" if "compressed" in case else STEM
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch calls compressed tensors a beta
        stored = READ[case](state[name])
        torch.save({**state, name: stored}, tmp_path / "net.pth")
        dense = stored.to_dense() if stored.layout != torch.strided else stored
        net = pv.create_model("squeezenet_1.1", classes=3, weights=tmp_path / "net.pth")
    ours = net.state_dict()["trunk.0.conv.weight" if name == STEM else "head.classifier.weight"]
    assert torch.equal(ours.flatten(), dense.float().flatten()) and ours.dtype == torch.float32


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "beyond float32": (lambda t: t.double() * 1e300, r"numbers in {} are beyond float32 \(such as .*e\+"),
    "float8 infinity": (lambda t: (t * torch.inf).to(torch.float8_e5m2), r"numbers in {} are not finite \(such as"),
    "complex": (lambda t: t.to(torch.complex64), r"{} holds complex numbers \(torch.complex64\)"),
    "quantised": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), r"{} is quantised \(torch.qint8\)"),
    "meta": (lambda t: t.to("meta"), r"{} has a shape but no numbers \(device meta\)"),
    "float4": (lambda t: t.to(torch.uint8).view(torch.float4_e2m1fn_x2), r"{} is stored in a way that is not read"),
    "sparse and infinite": (lambda t: (t / 0).to_sparse(), r"numbers in {} are not finite \(such as"),
    "integers": (lambda t: t.to(torch.int8), r"trunk.0.conv.weight holds torch.int8 where weights are real numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_what_holds_no_real_numbers_is_refused_by_name(state: dict[str, Tensor], tmp_path: Path, case: str) -> None:
    change, message = REFUSED[case]
    content: Any = {"state_dict": {**state, STEM: change(state[STEM])}}
    torch.save(content, tmp_path / "net.pth")
    for source, name in ((tmp_path / "net.pth", "net.pth"), (content, "this state dict")):
        with pytest.raises(pv.InputError, match=f"{name}: .*{message.format(STEM)}") as caught:
            pv.create_model("squeezenet_1.1", classes=3, weights=source)
        assert "\n" not in str(caught.value)


def test_a_live_module_without_numbers() -> None:
    with torch.device("meta"):
        module = torchvision.models.squeezenet1_1(num_classes=3)
    with pytest.raises(pv.InputError, match=f"this SqueezeNet: {STEM} has a shape but no numbers"):
        open_weights(module)


def test_a_model_file_whose_tensors_another_program_rounded(tmp_path: Path) -> None:
    path = pv.save(pv.create_model("mobilenet_v1", 0.25, 32, ["a", "b"]), tmp_path / "model.safetensors")
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    for kind in (torch.bfloat16, torch.float8_e4m3fn):
        rounded = {name: t.to(kind) if t.is_floating_point() else t for name, t in load_file(path).items()}
        save_file(rounded, tmp_path / "rounded.safetensors", metadata)
        with pytest.raises(pv.InputError, match=r"rounded.safetensors"):
            pv.load(tmp_path / "rounded.safetensors")

"""Other libraries' weights, and the model file."""

from __future__ import annotations

import json
import os
import socket
import struct
from pathlib import Path

import pytest
import torch

import pocketvision as pv
from pocketvision.errors import InputError
from pocketvision.network import Network
from pocketvision.weights import file, load_weights

torchvision = pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def reference() -> torch.nn.Module:
    """torchvision's MobileNetV2 with random weights and random BatchNorm statistics."""
    torch.manual_seed(0)
    net = torchvision.models.mobilenet_v2()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


@torch.inference_mode()
def difference(ours: torch.nn.Module, theirs: torch.nn.Module, side: int) -> float:
    x = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(side))
    a, b = ours.eval()(x), theirs(x)
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize("side", [224, 193])
def test_random_weights_answer_as_torchvision(reference: torch.nn.Module, side: int) -> None:
    net = pv.create_model("mobilenet_v2", weights=reference.state_dict())
    assert difference(net, reference, side) < 2e-5


@pytest.mark.parametrize("side", [224, 193])
def test_torchvisions_file_answers_as_torchvision(shared: Path, side: int) -> None:
    path = shared / "weights" / "mobilenet_v2-b0353104.pth"
    theirs = torchvision.models.mobilenet_v2()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    net = pv.create_model("mobilenet_v2", weights=path)
    assert difference(net, theirs.eval(), side) < 2e-5
    assert net.classes[281] == "tabby"


@pytest.mark.parametrize("width", [0.5, 1.4])
def test_other_widths(width: float) -> None:
    theirs = torchvision.models.mobilenet_v2(width_mult=width).eval()
    net = pv.create_model("mobilenet_v2", width=width, weights=theirs.state_dict())
    assert difference(net, theirs, 96) < 2e-5


def test_the_classifier_is_replaced_when_the_classes_differ(reference: torch.nn.Module) -> None:
    torch.manual_seed(1)
    net = pv.create_model("mobilenet_v2", classes=["ant", "bee"], weights=reference.state_dict())
    assert net.classes == ("ant", "bee")
    assert net.head.classifier.weight.shape == (2, 1280)
    assert net.head.classifier.weight.abs().sum() > 0
    assert torch.equal(net.trunk[0].conv.weight, reference.features[0][0].weight)


def test_the_callers_tensors_stay_the_callers(reference: torch.nn.Module) -> None:
    state = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    net = pv.create_model("mobilenet_v2", weights=state)
    with torch.no_grad():
        net.trunk[0].conv.weight.zero_()
    assert torch.equal(state["features.0.0.weight"], reference.state_dict()["features.0.0.weight"])


def test_grey_input_sums_the_colour_filters(reference: torch.nn.Module) -> None:
    net = pv.create_model("mobilenet_v2", channels=1, weights=reference.state_dict()).eval()
    grey = torch.randn(1, 1, 64, 64)
    stem, theirs = net.trunk[0].conv(grey), reference.features[0][0](grey.expand(1, 3, 64, 64))
    assert torch.allclose(stem[:, :, ::2, ::2] if stem.shape != theirs.shape else stem, theirs, atol=1e-5)


def _without(state: dict, name: str) -> dict:
    return {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: _without(s, "features.5.conv.1.1.running_mean"), r"1 tensor missing .* - trunk.5.depthwise.bn"),
        (lambda s: {**s, "extra.weight": torch.zeros(1)}, r"1 not used .* \+ extra.weight"),
        (lambda s: {**s, "features.1.conv.1.weight": torch.zeros(8, 32, 1, 1)}, "trunk.1.project.conv.weight is"),
        (lambda s: {"conv1.weight": torch.zeros(1)}, "its first tensors are conv1.weight"),
    ],
)
def test_weights_that_do_not_fit(reference: torch.nn.Module, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_weights(pv.create_model("mobilenet_v2"), change(reference.state_dict()))


def test_weights_of_another_family(reference: torch.nn.Module) -> None:
    with pytest.raises(InputError, match=r"holds mobilenet_v2 at width 1; it does not fit mobilenet_v1"):
        pv.create_model("mobilenet_v1", weights=reference.state_dict())


def small() -> Network:
    torch.manual_seed(0)
    net = pv.create_model("mobilenet_v3_small", width=0.25, resolution=32, classes=["a", "b <c>"], channels=1)
    net.metrics, net.provenance = {"top1": 0.5}, {"data": "x"}
    return net.eval()


def test_a_saved_network_comes_back_whole(tmp_path: Path) -> None:
    net = small()
    pv.save(net, tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        again = pv.load(path)
        assert isinstance(again, Network)
        assert (again.spec, again.classes, again.preprocessing) == (net.spec, net.classes, net.preprocessing)
        assert (again.metrics, again.provenance) == (net.metrics, net.provenance)
        x = torch.randn(2, 1, 32, 32)
        with torch.inference_mode():
            assert torch.equal(again(x), net(x))
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_every_length_of_the_description_can_be_read(tmp_path: Path) -> None:
    """The first bytes of the file are a length: those that begin pickles and zip files are lengths like any other."""
    net, seen = small(), set()
    for extra in range(0, 256, 8):
        net.provenance["note"] = "x" * extra
        path = file.save(net, tmp_path / "model.safetensors")
        seen.add(path.read_bytes()[0])
        assert file.load(path).provenance == net.provenance
    assert 0x80 in seen


def _edit(path: Path, change) -> None:
    """Rewrite the description inside a model file."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    description = json.loads(header["__metadata__"][file.KEY])
    change(description)
    header["__metadata__"][file.KEY] = json.dumps(description)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("pickle-was-executed",)


DAMAGES = {
    "cut in half": (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "cut off or damaged"),
    "empty": (lambda p: p.write_bytes(b""), "cut off or damaged"),
    "altered tensors": (_flip, "altered after it was written"),
    "unknown version": (lambda p: _edit(p, lambda d: d.update(format_version=99)), "format version 99"),
    "pickled content": (lambda p: torch.save(_Evil(), p), "holds pickled content"),
    "description of another network": (
        lambda p: _edit(p, lambda d: d.update(spec=json.loads(pv.create_model("mobilenet_v1").spec.to_json()))),
        "names 2 classes, but its network has 1,000 outputs",
    ),
    "class missing": (lambda p: _edit(p, lambda d: d["classes"].pop()), "names 1 class,"),
    "no classes": (lambda p: _edit(p, lambda d: d.pop("classes")), "damaged description"),
    "text": (lambda p: p.write_text("hello, this is no model at all"), "cut off or damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_model_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.safetensors"
    pv.save(small(), path)
    change, message = DAMAGES[damage]
    change(path)
    with pytest.raises(InputError, match=message) as caught:
        pv.load(path)
    assert "\n" not in str(caught.value)
    assert not Path("pickle-was-executed").exists()


def test_pickles_with_code_are_not_read_as_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.0.weight": _Evil()}, "evil.pth")
    with pytest.raises(InputError, match="cannot read weights from evil.pth"):
        pv.create_model("mobilenet_v2", weights="evil.pth")
    assert not Path("pickle-was-executed").exists()


def test_foreign_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="not one of pocketvision's"):
        pv.load(tmp_path / "x.safetensors")


def test_added_classes_keep_the_rows_of_the_old_ones(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old = pv.create_model("mobilenet_v1", 0.25, 32, ["bee", "ant"])
    path = pv.save(old, tmp_path / "model.safetensors")
    new = pv.create_model("mobilenet_v1", 0.25, 64, ["ant", "bee", "wasp"], weights=path)
    assert new.classes == ("ant", "bee", "wasp") and new.provenance["pretrained"] == "model.safetensors"
    before, after = old.head.classifier, new.head.classifier
    assert torch.equal(after.weight[0], before.weight[1]) and torch.equal(after.bias[1], before.bias[0])
    assert torch.equal(new.trunk[3].pointwise.conv.weight, old.trunk[3].pointwise.conv.weight)
    same = pv.create_model("mobilenet_v1", 0.25, 32, 2, weights=path)
    assert same.classes == ("bee", "ant") and torch.equal(same.head.classifier.weight, before.weight)
    swapped = pv.create_model("mobilenet_v1", 0.25, 32, ["ant", "bee"], weights=path)
    assert torch.equal(swapped.head.classifier.weight, before.weight.flip(0))
    with pytest.raises(pv.InputError, match="holds mobilenet_v1 at width 0.25"):
        pv.create_model("mobilenet_v2", weights=path)


def test_published_weights_offline_say_so_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "no name")))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pv.InputError, match=r"cannot download weights from \S+ \(.+\): give --pretrained FILE"):
        pv.create_model("mobilenet_v2", weights="auto")
    kept = tmp_path / "hub" / "checkpoints"
    kept.mkdir(parents=True, exist_ok=True)
    assert list(kept.iterdir()) == []
    (kept / "mobilenet_v2-b0353104.pth").symlink_to(shared / "weights" / "mobilenet_v2-b0353104.pth")
    net = pv.create_model("mobilenet_v2", weights="auto")  # downloaded before: no connection is needed
    assert net.classes[281] == "tabby"


def test_the_same_network_is_the_same_bytes(tmp_path: Path) -> None:
    """Eight times: of two metadata the library writes either first."""
    net = pv.create_model("mobilenet_v1", 0.25, 32, 2)
    assert len({pv.save(net, tmp_path / f"{i}.safetensors").read_bytes() for i in range(8)}) == 1
    assert pv.load(tmp_path / "0.safetensors").classes == ("0", "1")


@pytest.mark.parametrize("name", ["model.xml", "model.pt2", "notes.txt", "model"])
def test_a_file_of_something_else_is_not_called_damaged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("something else\n" * 9)
    with pytest.raises(
        InputError, match=f"{name} is no file of a network that can be opened: give a model.safetensors"
    ):
        pv.load(tmp_path / name)

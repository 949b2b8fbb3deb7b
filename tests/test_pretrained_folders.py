"""Folders as the Hugging Face Hub has them: written, read back, opened by other libraries, sent and fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import pocketvision as pv
from conftest import command_environment
from fakehub import FakeHub, serving
from pocketvision.errors import InputError
from pocketvision.models import create_spec
from pocketvision.network import Network
from pocketvision.weights import timm

Make = Callable[..., Network]


def random(net: Network) -> Network:
    """Random BatchNorm statistics too, so that nothing that is left out or exchanged goes unnoticed."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
    return net.eval()


def small(name: str = "mobilenet_v1", width: float = 0.25, **options: Any) -> Network:
    options.setdefault("classes", ["cat", "dog", "eel"])
    options.setdefault("resolution", 96)
    net = random(pv.create_model(name, width, **options))
    net.metrics = {"accuracy": 0.9375, "confusion": [[1]]}
    return net


@torch.inference_mode()
def answers(net: torch.nn.Module, side: int = 97, channels: int = 3) -> torch.Tensor:
    x = torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(side))
    y = net(x)
    return getattr(y, "logits", y)


def difference(ours: torch.nn.Module, theirs: torch.nn.Module, side: int = 97, channels: int = 3) -> float:
    a, b = answers(ours, side, channels), answers(theirs, side, channels)
    return ((a - b).abs().max() / b.abs().max()).item()


def stripped(folder: Path) -> Path:
    """The folder as transformers would write it: without our description."""
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def config_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())


def edit(folder: Path, name: str = "config.json", **changes: Any) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **changes}))


EXPRESSED = {
    "v1": ("mobilenet_v1", 0.25, {}),
    "v1 0.75": ("mobilenet_v1", 0.75, {}),
    "grey": ("mobilenet_v1", 0.25, {"channels": 1}),
    "v2": ("mobilenet_v2", 0.35, {}),
    "v2 wide": ("mobilenet_v2", 1.3, {}),
    "background": ("mobilenet_v1", 0.25, {"classes": 1001}),
}


@pytest.mark.parametrize("case", EXPRESSED)
def test_a_folder_for_transformers_rebuilds_the_network_too(tmp_path: Path, case: str) -> None:
    name, width, options = EXPRESSED[case]
    net = small(name, width, **options)
    net.save_pretrained(tmp_path)
    back = pv.load(tmp_path)
    assert isinstance(back, Network)
    for what in ("spec", "classes", "preprocessing", "task", "metrics", "provenance"):
        assert getattr(back, what) == getattr(net, what)
    assert all(torch.equal(tensor, net.state_dict()[key]) for key, tensor in back.state_dict().items())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json", "model.safetensors", "preprocessor_config.json",
    ]  # fmt: skip
    assert config_of(tmp_path)["model_type"] == name
    assert all(key.startswith((name, "classifier")) for key in load_file(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("case", EXPRESSED)
def test_the_same_folder_is_read_as_one_of_transformers(tmp_path: Path, case: str) -> None:
    name, width, options = EXPRESSED[case]
    net = small(name, width, **options)
    back = pv.load(stripped(net.save_pretrained(tmp_path)))
    assert isinstance(back, Network)
    assert torch.equal(answers(back, channels=net.spec.channels), answers(net, channels=net.spec.channels))
    assert (back.classes, back.preprocessing) == (net.classes, replace(net.preprocessing, crop_floor=True))


OWN = {
    "width": ("mobilenet_v1", 0.35, {}, "depth multiplier"),
    "rounding": ("mobilenet_v2", 1.1, {}, "depth multiplier"),
    "stem": ("mobilenet_v1", 0.25, {"resolution": 32}, "small-input stem"),
    "shortcut": ("mobilenet_v2", 0.25, {}, "shortcut"),
    "family": ("mobilenet_v3_small", 0.5, {}, ""),
}


@pytest.mark.parametrize("case", OWN)
def test_what_transformers_cannot_express_is_saved_for_us(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    name, width, options, reason = OWN[case]
    net = small(name, width, **options)
    net.save_pretrained(tmp_path)
    said = capsys.readouterr().err
    assert reason in said and said.count("\n") == bool(reason)
    assert config_of(tmp_path)["model_type"] == "pocketvision"
    back = pv.load(tmp_path)
    assert isinstance(back, Network) and torch.equal(answers(back), answers(net))


def test_background_names_and_1000_classes(tmp_path: Path) -> None:
    net = small(classes=["background", *(f"thing {index}" for index in range(1000))])
    stripped(net.save_pretrained(tmp_path))
    back = pv.create_model("mobilenet_v1", weights=tmp_path)
    assert back.spec.name == "mobilenet_v1_0.25_96" and back.classes == net.classes[1:]
    assert torch.allclose(answers(back.eval()), answers(net)[:, 1:], rtol=1e-5)


def test_weights_from_a_folder_for_other_classes(tmp_path: Path) -> None:
    stripped(small().save_pretrained(tmp_path))
    back = pv.create_model("mobilenet_v1", classes=["dog", "fox"], weights=tmp_path)
    theirs = load_file(tmp_path / "model.safetensors")["classifier.weight"]
    assert torch.equal(back.state_dict()["head.classifier.weight"][0], theirs[1])


def test_the_preprocessors_config_counts(tmp_path: Path) -> None:
    stripped(small().save_pretrained(tmp_path))
    edit(
        tmp_path, "preprocessor_config.json",
        size={"shortest_edge": 128}, crop_size={"height": 96, "width": 96}, resample=3, rescale_factor=1 / 127.5,
        image_mean=[1.0] * 3, image_std=[1.0] * 3,
    )  # fmt: skip
    p = pv.load(tmp_path).preprocessing  # type: ignore[union-attr]
    assert (p.resize, p.interpolation) == ((128, 128), "bicubic")
    assert np.allclose(p.mean, 0.5) and np.allclose(p.std, 0.5)


def timm_folder(folder: Path, net: Network, suffix: str = "safetensors") -> None:
    blocks = [f"blocks.{stage}.{index}" for stage, count in enumerate((1, 2, 3, 4, 3, 3, 1)) for index in range(count)]
    theirs = {ours: module for module, ours in timm.builder(net.spec, blocks)}
    parts = {name: name.rpartition(".") for name in net.state_dict()}
    state = {f"{theirs[module]}.{field}": net.state_dict()[name] for name, (module, _, field) in parts.items()}
    if suffix == "safetensors":
        save_file(state, folder / "model.safetensors")
    else:
        torch.save(state, folder / "pytorch_model.bin")
    pretrained = {
        "input_size": [3, 96, 96], "crop_pct": 0.75, "interpolation": "bilinear",
        "mean": [0.5] * 3, "std": [0.25] * 3, "num_classes": 3, "label_names": ["n1", "n2", "n3"],
    }  # fmt: skip
    config = {"architecture": "mobilenetv2_035", "label_descriptions": {"n1": "cat", "n2": "dog"}}
    (folder / "config.json").write_text(json.dumps({**config, "pretrained_cfg": pretrained}))


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_folder_of_timm(tmp_path: Path, suffix: str) -> None:
    net = small("mobilenet_v2", 0.35)
    timm_folder(tmp_path, net, suffix)
    back = pv.load(tmp_path)
    assert isinstance(back, Network) and torch.equal(answers(back), answers(net))
    assert back.classes == ("cat", "dog", "n3") and back.spec.name == "mobilenet_v2_0.35_96"
    p = back.preprocessing
    assert (p.resize, p.mean, p.std, p.interpolation) == ((128, 128), (0.5,) * 3, (0.25,) * 3, "bilinear")


def test_statistics_in_a_folder_of_timm(tmp_path: Path) -> None:
    """One number stands for all channels; what is none is refused with file and field, not when an image comes."""
    timm_folder(tmp_path, small("mobilenet_v2", 0.35))
    config = config_of(tmp_path)
    edit(tmp_path, pretrained_cfg={**config["pretrained_cfg"], "mean": 0.25, "std": [0.125]})
    p = pv.load(tmp_path).preprocessing  # type: ignore[union-attr]
    assert (p.mean, p.std, p.resize) == ((0.25,) * 3, (0.125,) * 3, (128, 128))
    for field, value in (("std", [0.5, 0.0, 0.5]), ("mean", float("nan")), ("input_size", [3, float("inf"), 96])):
        edit(tmp_path, pretrained_cfg={**config["pretrained_cfg"], field: value})
        with pytest.raises(InputError, match=rf"config\.json: {field} is .*: give finite numbers"):
            pv.load(tmp_path)


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Bomb()}, folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds no weights that are read"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "config.json is damaged"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "config.json is damaged"),
    "of nobody": (lambda f: (f / "config.json").write_text("{}"), "neither a model_type"),
    "another network": (lambda f: edit(f, model_type="vit"), "'vit': mobilenet_v1 and mobilenet_v2 are read"),
    "the other family": (lambda f: edit(f, model_type="mobilenet_v2"), "it has no tensor mobilenet_v2"),
    "cut": (cut, "cannot read weights"),
    "code": (pickled, "more than plain tensors"),
    "activation": (lambda f: edit(f, hidden_act="gelu"), "'gelu' is not known"),
    "dilation": (lambda f: edit(f, output_stride=16), "output_stride 16"),
    "number": (lambda f: edit(f, depth_multiplier="wide"), "folder: depth_multiplier is 'wide': give finite numbers"),
    "endless": (lambda f: edit(f, image_size=float("inf")), "damaged config"),
    "epsilon": (lambda f: edit(f, layer_norm_eps=float("nan")), "folder: layer_norm_eps is nan"),
    "no number": (
        lambda f: edit(f, "preprocessor_config.json", image_std=[0.5, 0.5, float("nan")]),
        "folder: image_std",
    ),
    "width": (lambda f: edit(f, depth_multiplier=0.5), "does not fit"),
    "size": (lambda f: edit(f, image_size=[1, 2, 3]), "damaged config"),
    "statistics": (lambda f: edit(f, "preprocessor_config.json", image_mean=[0.5]), "1 channel"),
    "crop": (lambda f: edit(f, "preprocessor_config.json", crop_size={"top": 1}), "gives a size by top"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = stripped(small().save_pretrained(tmp_path / "folder"))
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError) as caught:
        pv.load(folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v3_small"])
def test_our_own_folder_cut_off_or_altered(tmp_path: Path, name: str) -> None:
    path = small(name).save_pretrained(tmp_path) / "model.safetensors"
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="damaged"):
        pv.load(tmp_path)
    whole[-50] ^= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match="was altered after it was written"):
        pv.load(tmp_path)


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose another folder"):
        small().save_pretrained(tmp_path / "file" / "model")


@pytest.fixture(scope="module")
def transformers() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("transformers")
        library.MobileNetV1ForImageClassification, library.MobileNetV2ForImageClassification  # noqa: B018 (lazy)
        library.utils.logging.disable_progress_bar()
    return library


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", EXPRESSED)
def test_transformers_opens_the_folder(transformers: Any, tmp_path: Path, case: str) -> None:
    name, width, options = EXPRESSED[case]
    net = small(name, width, **options)
    theirs = transformers.AutoModelForImageClassification.from_pretrained(net.save_pretrained(tmp_path)).eval()
    assert difference(theirs, net, channels=net.spec.channels) < 2e-5
    assert tuple(theirs.config.id2label.values()) == net.classes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [1.0, 0.75, 0.35])
@pytest.mark.parametrize("name", ["V1", "V2"])
def test_live_networks_of_transformers(transformers: Any, tmp_path: Path, name: str, width: float) -> None:
    torch.manual_seed(0)
    config = getattr(transformers, f"MobileNet{name}Config")(depth_multiplier=width, num_labels=1001)
    theirs = random(getattr(transformers, f"MobileNet{name}ForImageClassification")(config))
    net = pv.create_model(f"mobilenet_{name.lower()}", classes=1001, weights=theirs)
    assert all(difference(net.eval(), theirs, side) < 2e-5 for side in (224, 193))
    assert (net.spec.conventions.padding, net.spec.conventions.bn_eps) == ("tf_same", 0.001)
    theirs.save_pretrained(tmp_path)
    assert difference(pv.load(tmp_path), theirs, 193) < 2e-5  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
def test_transformers_processor_prepares_as_we_do(transformers: Any, tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    from pocketvision.data.image import prepare

    net = small()
    processor = transformers.AutoImageProcessor.from_pretrained(net.save_pretrained(tmp_path), backend="pil")
    image = pil.fromarray(np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8))
    theirs = processor(image, return_tensors="np")["pixel_values"][0]
    p = net.preprocessing
    ours = (prepare(image, p) / 255.0 - np.array(p.mean)) / np.array(p.std)
    assert np.abs(theirs - ours.transpose(2, 0, 1)).max() < 1e-5


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    pytest.importorskip("huggingface_hub")
    with serving() as server:
        yield server


def child(code: str, home: Path, endpoint: str, **environment: str) -> str:
    """Standard output of Python code in a process of its own: huggingface_hub reads its settings once."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_TOKEN": "hf_x"}
    lines = f"import torch, pocketvision as pv\ntorch.set_num_threads(1)\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", lines], env={**command_environment(), **settings, **environment}, cwd=home.parent,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


REFUSED = """
for name in {names!r}:
    try:
        pv.load(name)
    except pv.InputError as error:
        print(error)
"""


def test_to_the_hub_and_back(hub: FakeHub, tmp_path: Path) -> None:
    home, net = tmp_path / "home", small()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    timm_folder(foreign, small("mobilenet_v2", 0.35), "bin")
    hub.repos["owner/timm"] = {path.name: path.read_bytes() for path in foreign.iterdir()}
    hub.repos["owner/text"] = {"README.md": b"hello"}
    pv.save(net, tmp_path / "net.safetensors")
    said = child(
        'print(pv.load("net.safetensors").push_to_hub("owner/name", private=True))\n'
        'pv.save(pv.load("hf:owner/name"), "back.safetensors")\n'
        'pv.save(pv.create_model("mobilenet_v1", classes=3, weights="hf:owner/name@main"), "weights.safetensors")\n'
        + REFUSED.format(names=["hf:owner/other", "hf:owner/name@v9", "hf:name", "hf:owner/text"])
        + 'print(pv.load("hf:owner/timm").classes)',
        home, hub.address,
    ).splitlines()  # fmt: skip
    assert said[0] == f"{hub.address}/owner/name"
    assert "there is no hf:owner/other" in said[1]
    assert "hf:owner/name@v9 has no such revision" in said[2] and "give hf:owner/name" in said[3]
    assert "holds neither model.safetensors" in said[4] and said[5:] == ["('cat', 'dog', 'n3')"]

    assert hub.created[0]["visibility" if "visibility" in hub.created[0] else "private"] in ("private", True)
    assert hub.commits[0]["summary"] == "Upload from pocketvision"
    files = hub.repos["owner/name"]
    assert sorted(files) == ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]
    net.save_pretrained(tmp_path / "local")
    assert all(files[name] == (tmp_path / "local" / name).read_bytes() for name in files if name.endswith(".json"))
    card = files["README.md"].decode()
    assert "cat, dog, eel" in card and "accuracy: 0.9375" in card and 'pv.load("hf:owner/name")' in card

    # Only what is needed, and once.
    once = ["config.json", "config.json", "model.safetensors", "preprocessor_config.json", "pytorch_model.bin"]
    assert sorted(hub.fetched) == once
    back = pv.load(tmp_path / "back.safetensors")
    assert isinstance(back, Network) and torch.equal(answers(back), answers(net)) and back.metrics == net.metrics
    weights = pv.load(tmp_path / "weights.safetensors")
    assert isinstance(weights, Network) and torch.equal(answers(weights), answers(net))
    assert weights.provenance["pretrained"] == "hf:owner/name@main"

    hub.shutdown()
    names = ["hf:owner/name", "hf:owner/never"]
    offline = REFUSED.format(names=names).replace("pv.load(name)", "print(pv.load(name).spec.name)")
    said = child(offline, home, hub.address, HF_HUB_OFFLINE="1").splitlines()
    assert said[0] == net.spec.name and "hf:owner/never was not downloaded before" in said[1] and len(said) == 2


def test_without_the_librarys_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="pip install huggingface_hub"):
        pv.load("hf:owner/name")
    with pytest.raises(InputError, match="give owner/name"):
        small().push_to_hub("name")


def test_every_published_width_is_one_that_transformers_can_express() -> None:
    from pocketvision.weights import transformers_config

    published = {"mobilenet_v1": (1.0, 0.75, 0.5, 0.25), "mobilenet_v2": (1.4, 1.3, 1.0, 0.75, 0.5, 0.35)}
    for kind, width in ((kind, width) for kind, widths in published.items() for width in widths):
        assert transformers_config.config(create_spec(kind, width), kind)["depth_multiplier"] == width

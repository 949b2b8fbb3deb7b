"""Names are for people: a network may be called anything, and is trained, exported, timed and saved like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import pocketvision as pv
from pocketvision.errors import InputError
from pocketvision.files import file_name
from pocketvision.fitting.candidates import grid, lines
from pocketvision.fitting.doctor import embedding_of
from pocketvision.fitting.learn import Start
from pocketvision.fitting.pretrained import Pretrained
from pocketvision.fitting.ship import at_resolution, ladder
from pocketvision.fitting.train import train
from pocketvision.measure.batches import digest
from pocketvision.models import create_spec, least_resolution, list_models, spec_of
from pocketvision.network import Network, build
from pocketvision.spec import Spec, Variant
from pocketvision.weights import open_weights
from pocketvision.weights.transformers_config import family


def renamed(name: str = "cats_pruned", origin: bool = False) -> Network:
    """MobileNetV1 of another width in each row, as pruning leaves it; `origin`: it still says where it comes from."""
    torch.manual_seed(0)
    spec = create_spec("mobilenet_v1", 0.25, 64, 3, small_stem=False)
    trunk = tuple(replace(row, out=row.out - 1) for row in spec.trunk)  # type: ignore[type-var]
    net = build(replace(spec, name=name, trunk=trunk, origin=spec.origin if origin else None))
    net.classes = ("ant", "bee", "cat")
    return net.eval()


def logits(net: Network) -> torch.Tensor:
    image = torch.randn(1, 3, *net.spec.size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        answer: torch.Tensor = net(image)
    return answer


# Where a network comes from


@pytest.mark.parametrize("name", [name for name in list_models() if name.count("_") < 4])
def test_a_network_of_a_table_knows_its_variant_whatever_it_is_called(name: str) -> None:
    spec = create_spec(name)
    assert spec.origin is not None
    assert create_spec(name, spec.origin.width, spec.resolution) == spec
    again = Spec.from_json(replace(spec, name="cats_pruned").to_json())
    assert again.origin == spec.origin and again.name == "cats_pruned"


def test_the_dial_is_part_of_the_variant_where_it_is_turned() -> None:
    assert create_spec("shufflenet_v1_g8_0.5_96").origin == Variant("shufflenet_v1", 0.5, 8)
    assert create_spec("shufflenet_v1", groups=3).origin == Variant("shufflenet_v1")
    assert create_spec("squeezenet_1.1", bypass="simple").origin == Variant("squeezenet_1.1", 1.0, "simple")


def test_files_of_earlier_releases_say_it_by_their_name() -> None:
    def before(spec: Spec) -> Spec:
        content = json.loads(spec.to_json())
        del content["origin"]
        return Spec.from_json(json.dumps(content))

    for name in ("mobilenet_v2_0.75_192", "shufflenet_v1_g8", "squeezenet_1.0"):
        assert before(create_spec(name)) == create_spec(name)
    assert before(replace(create_spec("mobilenet_v2"), name="cats_pruned")).origin is None


@pytest.mark.parametrize("origin", ["mobilenet_v2", {"family": 5}, {"no": "family"}])
def test_a_damaged_origin_is_an_input_error(origin: object) -> None:
    content = {**json.loads(create_spec("mobilenet_v2").to_json()), "origin": origin}
    with pytest.raises(InputError, match="not a network description"):
        Spec.from_json(json.dumps(content))


def test_an_architecture_is_known_by_its_rows_and_not_by_its_name() -> None:
    spec = create_spec("mobilenet_v2")
    assert digest(spec) == digest(replace(spec, name="cats", origin=None)) != digest(create_spec("mobilenet_v1"))


# Other resolutions


@pytest.mark.parametrize("origin", [False, True])
def test_a_network_with_a_name_of_its_own_works_at_other_resolutions(origin: bool) -> None:
    net = renamed(origin=origin)
    other = at_resolution(net, 96)
    assert (other.spec.name, other.spec.resolution, other.preprocessing.resolution) == ("cats_pruned", 96, (96, 96))
    assert logits(other).shape == (1, 3)
    assert min(ladder(net)) == 32 and max(ladder(net)) == 80


def test_a_usual_name_follows_the_resolution() -> None:
    net = build(create_spec("mobilenet_v2", 0.35, 64, 3))
    assert at_resolution(net, 96).spec.name == "mobilenet_v2_0.35_96"
    assert at_resolution(build(create_spec("squeezenet_1.1", classes=3)), 96).spec.name == "squeezenet_1.1_1.0_96"


@pytest.mark.parametrize("name", ["squeezenet_1.0", "xception", "mobilenet_v2"])
def test_the_least_resolution_of_rows_without_a_family_is_found(name: str) -> None:
    spec = replace(create_spec(name), name="mine", origin=None)
    least = least_resolution(spec)
    for side, works in ((least, True), (least - 1, least == 32)):
        net = build(replace(spec, resolution=side)).eval()
        try:
            assert logits(net).shape == (1, 1000) and works
        except RuntimeError:
            assert not works
    assert least <= least_resolution(create_spec(name))


# As pretrained weights


@pytest.mark.parametrize("origin", [False, True])
def test_fit_takes_the_network_s_own_rows(origin: bool) -> None:
    net = renamed(origin=origin)
    weights = open_weights(net)
    found = grid(3, 3, 24, Pretrained.of(weights, 3, 3))
    own = [candidate for candidate in found if candidate.pretrained]
    assert {candidate.family for candidate in own} == {"cats_pruned"} and len(lines(found)[0]) > 5
    assert {candidate.spec(3, 3).trunk for candidate in own} == {net.spec.trunk}
    assert own[0].params == sum(parameter.numel() for parameter in net.parameters())
    start = Start(("ant", "bee", "cat"), 3, 0, weights)
    at_64 = start.network(next(candidate for candidate in own if candidate.resolution == 64)).eval()
    assert at_64.spec == net.spec and torch.equal(logits(at_64), logits(net))
    assert "cats_pruned" in str(embedding_of(weights)) or origin


def test_what_is_timed_is_what_is_trained() -> None:
    net = build(create_spec("mobilenet_v2", 0.35, 64, 3))
    net.spec = replace(net.spec, conventions=replace(net.spec.conventions, padding="tf_same"))
    own = [c for c in grid(3, 3, 64, Pretrained.of(open_weights(net), 3, 3)) if c.pretrained]
    assert own and all(candidate.spec(3, 3).conventions.padding == "tf_same" for candidate in own)


def test_a_pruned_head_is_kept_too() -> None:
    spec = create_spec("mobilenet_v3_small", 0.5, 64, 3)
    dense = replace(spec.head, dense=(replace(spec.head.dense[0], out=100),))  # type: ignore[type-var,attr-defined]
    net = build(replace(spec, head=dense)).eval()
    again = pv.create_model("mobilenet_v3_small", classes=3, weights=net).eval()
    assert again.spec.head == dense and torch.equal(logits(again), logits(net))
    assert spec_of(open_weights(net), 96, 7, 3).head == replace(dense, classes=7)


# Training a file


def photographs(folder: Path) -> Path:
    for i, name in enumerate(("ant", "bee", "cat")):
        for j in range(4):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), (80 * i, 20 * j, 200 - 60 * i)).save(folder / name / f"{j}.png")
    return folder


def test_train_goes_on_with_a_renamed_network(tmp_path: Path) -> None:
    data, net = photographs(tmp_path / "data"), renamed("my cats/v1")
    path = pv.save(net, tmp_path / "cats.safetensors")
    trained = train(data, path, epochs=1, out=tmp_path / "out", seed=1, show=False, device="cpu")
    assert trained["model"] == "my cats/v1"
    again = pv.load(trained["file"])
    assert isinstance(again, Network)
    assert again.spec == net.spec and again.provenance["pretrained"] == "cats.safetensors"
    for ours, theirs in zip(again.trunk.parameters(), net.trunk.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.1, atol=0.1)  # where it began, not a fresh network's
    with pytest.raises(InputError, match=r"cats.safetensors has its own rows and weights: leave out"):
        train(data, path, width=0.5, show=False)


def test_its_name_leads_to_no_other_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = pv.export(renamed("../cats/v1"))
    assert report["path"] == "_._cats_v1.onnx" or report["path"] == "__cats_v1.onnx"
    assert (tmp_path / report["path"]).is_file()
    assert file_name("mobilenet_v2_1.0_224") == "mobilenet_v2_1.0_224" and file_name("") == "_"
    assert not {"/", "\\", ":"} & set(file_name("a/b\\c:d"))


# The folder for transformers


def test_transformers_can_open_a_renamed_network(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    for name in ("mobilenet_v1", "mobilenet_v2"):
        spec = create_spec(name, 0.5, 96, 3, small_stem=False)
        for origin in (spec.origin, None):
            net = build(replace(spec, name="cats_pruned", origin=origin)).eval()
            net.save_pretrained(tmp_path / name)
            theirs = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / name).eval()
            image = torch.randn(1, 3, 96, 96)
            with torch.inference_mode():
                torch.testing.assert_close(theirs(image).logits, net(image), rtol=1e-4, atol=1e-4)


def test_what_transformers_cannot_build_is_not_taken_for_it_by_its_name() -> None:
    assert family(replace(create_spec("mobilenet_v3_small"), name="mobilenet_v2")) is None
    assert family(renamed().spec) == "mobilenet_v1" and family(create_spec("mnasnet_b1")) is None


def test_the_command_line_trains_a_file_too(
    tmp_path: Path, call_cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(tmp_path / "data")
    pv.save(renamed(), tmp_path / "cats.safetensors")
    common = ("train", "data", "--model", "cats.safetensors")
    status, _, err = call_cli(*common, "--width", "0.5", cwd=tmp_path)
    assert status == 2 and "cats.safetensors has its own rows and weights" in err
    status, _, err = call_cli("train", "data", "--model", "missing.safetensors", cwd=tmp_path)
    assert status == 2 and "missing.safetensors" in err
    status, out, err = call_cli(*common, "--epochs", "1", "--device", "cpu", "--json", cwd=tmp_path)
    assert status == 0, err
    assert json.loads(out)["model"] == "cats_pruned" and (tmp_path / json.loads(out)["file"]).is_file()

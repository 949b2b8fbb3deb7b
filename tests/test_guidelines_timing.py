"""Guidelines: the networks answer alike in every runtime or are not timed, and the command shows what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pocketvision.blocks import Conv
from pocketvision.commands.guidelines import guidelines as command
from pocketvision.errors import InputError
from pocketvision.guidelines import guidelines, paper, run
from pocketvision.guidelines.experiment import Claim, Experiment, Variant, stack
from pocketvision.guidelines.grouped import Grouped
from pocketvision.guidelines.published import Speeds
from pocketvision.guidelines.rotations import rotate, scale
from pocketvision.guidelines.timing import ROUNDS, Ready, Times, is_right, measure, prepare
from pocketvision.guidelines.verdict import LOOKS
from pocketvision.measure.pixels import random_pixels
from pocketvision.network import build
from pocketvision.report import guidelines as shown
from pocketvision.runtimes import onnxruntime
from pocketvision.runtimes.torch import Shipped
from pocketvision.spec import Row


def tiny(name: str = "tiny", claim: str = "G1") -> Experiment:
    """Two networks of a few pixels, for what runs a runtime."""
    variants = tuple(
        Variant(label, (stack(label, 8, (Conv(1, wide, "linear"), Conv(1, 8, "linear")), 8),), str(wide))
        for label, wide in (("1:1", 8), ("1:12", 96))
    )
    published = {"1:1": Speeds((4.0, 2.0, 1.0), (40, 20, 10), "32"), "1:12": Speeds((2.0, 1.0, 0.5), (10, 5, 3), "")}
    made = Claim(claim, "unequal channels cost time", ("1:12",), ("1:1",))
    return Experiment(name, "Two of a kind", ("x1",), variants, (made,), published, True, "Eight pixels, no more.")


def pointwise(*made: Row) -> list[nn.Conv2d]:
    """The 1x1 convolutions of such a network, without that of the colours."""
    net = build(stack("some", 16, made, 8))
    rotate(net)
    return [layer for layer in net.trunk[1:].modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)]


def test_rotations_are_orthogonal_in_each_group() -> None:
    layers = pointwise(Grouped(16, 4), Grouped(32, 2), Grouped(16, 8), Conv(1, 64, "linear"))
    for layer in layers:
        groups = layer.weight.detach().flatten(1).reshape(layer.groups, -1, layer.in_channels // layer.groups)
        gram = groups @ groups.mT if groups.shape[1] <= groups.shape[2] else groups.mT @ groups
        assert torch.allclose(gram, torch.eye(gram.shape[1]).expand_as(gram), atol=1e-5)
        assert layer.groups == 1 or not torch.allclose(groups[0], groups[1])
    assert [layer.groups for layer in layers] == [4, 2, 8, 1]


@pytest.mark.parametrize("row", [Conv(1, 16, "linear"), Grouped(16, 2), Grouped(16, 4)], ids=["alone", "2", "4"])
def test_forty_rotations_leave_a_signal_and_a_rounding_as_large_as_they_were(row: Row) -> None:
    def through(x: Tensor, layers: list[nn.Conv2d]) -> Tensor:
        with torch.no_grad():
            for layer in layers:
                x = layer(x)
        return x

    layers = pointwise(*[row] * 40)
    assert len(layers) == 40
    x = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    assert through(x, layers).norm() == pytest.approx(float(x.norm()), rel=1e-3)
    off = through(x + 0.01, layers) - through(x, layers)
    assert off.abs().max() < 0.01 * 16**0.5 * 1.01  # of a pixel's 16 channels together
    assert off.norm() == pytest.approx(0.01 * x.numel() ** 0.5, rel=1e-2)


def test_rotations_are_the_same_each_time_and_leave_other_kernels() -> None:
    net = build(stack("some", 8, (Conv(3, 8, "linear"), Conv(1, 8, "linear")), 8))
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    rotate(net)
    once = {name: value.clone() for name, value in net.state_dict().items()}
    changed = [name for name in kept if not torch.equal(kept[name], once[name])]
    assert len(changed) == 2 and all(kept[name].shape[2:] == (1, 1) for name in changed)
    rotate(net)
    assert all(torch.equal(once[name], value) for name, value in net.state_dict().items())


def test_every_layer_has_ordinary_numbers_and_keeps_its_mean() -> None:
    spec = stack("some", 16, (Conv(1, 96, "linear"), Conv(3, 16, "relu"), Grouped(64, 4)) * 10, 8)
    net = build(spec).eval()
    rotate(net)
    pixels, seen = random_pixels(net.preprocessing), list[tuple[float, float]]()
    scale(net, pixels)

    def note(layer: nn.Module, given: tuple[Tensor], answer: Tensor) -> None:
        seen.append((float(answer.square().mean()), float(answer.mean((2, 3)).abs().max())))

    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.register_forward_hook(note)
            assert part.running_var is not None and len(part.running_var.unique()) == 1
    with torch.no_grad():
        Shipped(net)(torch.from_numpy(pixels))
    assert len(seen) == 31
    assert [square for square, _ in seen] == pytest.approx([1.0] * 31, rel=1e-2)
    assert all(mean > 0.01 for _, mean in seen)


def test_forty_layers_without_activations_answer_alike_in_two_engines(tmp_path: Path) -> None:
    """Those of the paper's third experiment, which BatchNorms with a variance for each channel spoil."""
    whole = paper.fragments()
    narrow = tuple(replace(variant, specs=variant.specs[:1]) for variant in whole.variants if "2" not in variant.label)
    times = prepare(replace(whole, columns=whole.columns[:1], variants=narrow), "onnxruntime", tmp_path)
    for key, ready in times.ready.items():
        assert isinstance(ready.source, Path)
        assert is_right(times, key, onnxruntime.load(ready.source, 1).run(ready.pixels)), times.wrong
        assert np.ptp(ready.expected) > 1e-4  # or else anything is right
    assert len(times.ready) == 3 and times.max_error < 1e-3


def exchanged(times: Times) -> Times:
    """The wide network's file is now the narrow one's."""
    times.ready["1:12", 0] = replace(times.ready["1:12", 0], source=times.ready["1:1", 0].source)
    return times


def without_a_number(times: Times) -> Times:
    """The wide network answers NaN, of weights that are numbers (in PyTorch, which has no file)."""
    net: Any = times.ready["1:12", 0].source
    net.trunk[1].bn.running_var.fill_(-1)
    return times


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([0.2, 0.3, 0.5], None),
        ([0.201, 0.299, 0.5], None),
        ([0.21, 0.29, 0.5], "off by 3 %"),
        ([0.5, 0.3, 0.2], "off by 100 %"),
        ([0.2, nan, 0.5], "NaN"),
        ([0.2, float("inf"), 0.5], "infinite"),
        ([0.2, 0.8], "another shape"),
    ],
)
def test_an_answer_is_right_or_has_no_times(answer: list[float], reason: str | None) -> None:
    key, pixels = ("1:1", 0), np.zeros((1, 8, 8, 3), np.uint8)
    for expected in ([0.2, 0.3, 0.5], [nan] * 3):
        times = Times({key: Ready(Path(), pixels, np.array(expected, np.float32), 1)}, {key: [[1.0]]})
        right = reason is None and expected[0] == 0.2
        assert is_right(times, key, np.array(answer, np.float32)) == right == (key in times.ms) == (not times.wrong)
        assert 0 <= times.max_error < 0.01
        if reason and expected[0] == 0.2:
            assert reason in times.wrong[key]


@pytest.mark.parametrize(("runtime", "spoil"), [("onnxruntime", exchanged), ("torch", without_a_number)])
def test_a_network_that_answers_wrongly_is_not_timed(
    runtime: str, spoil: Callable[[Times], Times], tmp_path: Path
) -> None:
    times = prepare(tiny(), runtime, tmp_path)
    measure(times, runtime, 1)
    assert not times.wrong and set(times.ms) == {("1:1", 0), ("1:12", 0)}
    spoil(times)
    measure(times, runtime, 1)
    assert set(times.wrong) == {("1:12", 0)} and times.batches == 2 and times.max_error < 0.01
    assert [len(batch) for batch in times.ms["1:1", 0]] == [ROUNDS, ROUNDS] and len(times.ms) == 1


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_an_experiment_runs(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "EXPERIMENTS", {"tiny": tiny})
    report = guidelines(runtime, 1, limit=0)
    (table,), (claim,) = report["experiments"], report["guidelines"]
    assert (table["batches"], table["rounds"], claim["batches"]) == (1, ROUNDS, 1) and table["max_error"] < 1e-3
    assert claim["verdict"] == "undecided" and "after 1 of 7 batches" in report["advice"][0]["sentence"]
    assert report["machine"]["cpu"] and report["machine"]["peaks"] and report["version"] and report["threads"] == 1
    text = shown.markdown(json.loads(json.dumps(report)))
    assert "1:12" in text and report["rule"] in text and "\n\nEight pixels, no more.\n" in text


def test_more_batches_come_only_at_a_look_and_only_while_something_is_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock is a list; what happens between its batches is the program's."""
    names = dict(zip(("sure", "late", "never"), ("G1", "G3, series", "G3, parallel"), strict=True))
    once, made = {"sure": range(0), "late": range(3, 4), "never": range(0, 21, 2)}, dict[int, str]()

    def remember(experiment: Experiment, runtime: str, folder: Path) -> Times:
        times = prepare(experiment, runtime, folder)
        made[id(times)] = experiment.name
        return times

    def clock(times: Times, runtime: str, threads: int) -> None:
        slow = 0.9 if times.batches in once[made[id(times)]] else 1.5
        for key, taken in times.ms.items():
            taken.append([times.ready[key].macs * (slow if key[0] == "1:12" else 1.0)] * ROUNDS)
        times.batches += 1

    experiments = {name: lambda name=name, claim=claim: tiny(name, claim) for name, claim in names.items()}
    monkeypatch.setattr(run, "EXPERIMENTS", experiments)
    monkeypatch.setattr(run, "prepare", remember)
    monkeypatch.setattr(run, "measure", clock)
    report = guidelines("torch", 1, limit=1e9)
    assert [table["batches"] for table in report["experiments"]] == [*LOOKS]
    assert [claim["verdict"] for claim in report["guidelines"]] == ["holds", "holds", "undecided"]


@pytest.mark.parametrize(("runtime", "spoil"), [("onnxruntime", exchanged), ("torch", without_a_number)])
def test_the_command_says_what_was_not_measured_and_why(
    runtime: str,
    spoil: Callable[[Times], Times],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "EXPERIMENTS", {"tiny": tiny})
    monkeypatch.setattr(run, "LOOKS", (1,))
    monkeypatch.setattr(run, "prepare", lambda *given: spoil(prepare(*given)))
    command(runtime, out=tmp_path / "g.json")
    printed = capsys.readouterr()
    assert re.search(r"tiny: of '1:12' at 'x1' in \w+ the answer is wrong .*: not timed", printed.err)
    report = json.loads((tmp_path / "g.json").read_text())
    (claim,) = report["guidelines"]
    assert claim["verdict"] == "not measured" and claim["ratio"] is None and claim["paper"]["arm"] == 2
    assert "of '1:12' at 'x1' the answer is wrong" in claim["reason"]
    for text in (printed.out, shown.markdown(report)):
        assert "not measured" in text and "the answer is wrong" in text and "–" in text and "None" not in text


def test_the_command_prints_one_document_and_saves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "EXPERIMENTS", {"tiny": tiny})
    monkeypatch.setattr(run, "LOOKS", (1,))
    command(out=tmp_path / "new" / "g.json", json=True)
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "new" / "g.json").read_text())
    command()
    printed = capsys.readouterr().out
    assert "Two of a kind" in printed and "Eight pixels, no more." in printed


def test_bad_input() -> None:
    with pytest.raises(InputError, match="unknown experiment 'G7'"):
        guidelines(only=["G7"])
    with pytest.raises(InputError, match="unknown runtime"):
        guidelines("onxruntime")
    for runtime in ("litert", "torch_compiled"):
        message = f"guidelines do not take {runtime}: choose among onnxruntime, torch, torch_folded, openvino"
        with pytest.raises(InputError, match=message):
            guidelines(runtime)
    with pytest.raises(InputError, match="at least 1"):
        guidelines(threads=-1)
    with pytest.raises(InputError, match=r"cannot use 4,096 threads: this process may use \d+ core"):
        guidelines(threads=4096)
    with pytest.raises(InputError, match="0 threads: give 1 or more"):
        command(threads=0)

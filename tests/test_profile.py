"""Where the time of a network goes: every operation at its place. No duration is asserted."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
import torch
from torch import nn

from pocketvision.blocks import Conv
from pocketvision.blocks.inverted_residual import Bneck
from pocketvision.data.image import preprocessing_for
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.measure import profile_nodes as nodes
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.kinds import AFTER, BEFORE, TIME_KINDS
from pocketvision.measure.latency import summarise
from pocketvision.measure.onnx_graph import read_graph
from pocketvision.measure.onnx_profile import Event, Profile, end_profile, read_profile
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.profile import profile
from pocketvision.measure.profile_nodes import Place, kind, module_at, path_of, places
from pocketvision.measure.profile_onnxruntime import chain, located
from pocketvision.measure.rowtimes import HEAD, PIXELS, by_part
from pocketvision.measure.spent import Operation, Spent, usual_runs
from pocketvision.models import create_spec
from pocketvision.network import Network, build
from pocketvision.spec import Spec
from pocketvision.validation import PROFILED


def tiny() -> Network:
    torch.manual_seed(0)
    rows = (Conv(3, 8, "hswish", 2), Bneck(5, 16, 8, 4, "hswish"))
    net = build(Spec("tiny", rows, Classifier(3), (16, 24), 3))
    net.preprocessing = preprocessing_for((16, 24), 3)
    return net.eval()


def timed(rounds: int, calls: int) -> list[list[TimedCall]]:
    return [[TimedCall(1e-3)] * calls] * rounds


# Usual runs


def test_usual_runs_are_the_middle_half_of_those_that_were_timed() -> None:
    """Of two rounds of one uncounted call and four that count, after three that warm up."""
    runs = [5.0, 5.0, 5.0, *(5.0, 1.0, 8.0, 3.0, 4.0), *(5.0, 2.0, 7.0, 6.0, 9.0)]
    assert usual_runs(runs, timed(2, 4), lambda run: run) == ([3, 4, 6, 7], mean)
    assert usual_runs(runs, timed(2, 4), lambda run: -run) == ([7, 6, 4, 3], mean)


def test_runs_that_waited_are_not_usual() -> None:
    """Preempted for 4 ms, then cold: what counts are the calls before that. Where all waited, the shortest quarter."""
    calls = [TimedCall(1e-3), TimedCall(1e-3), TimedCall(5e-3, 4e-3), TimedCall(2e-3, after=0.0)]
    assert usual_runs([9.0, 1.0, 1.1, 5.0, 2.0], [calls], lambda run: run) == ([1.0, 1.1], mean)
    waited = [TimedCall(5e-3, 4e-3, after=0.0)] * 4
    assert usual_runs([9.0, 5.0, 4.0, 6.0, 7.0], [waited], lambda run: run) == ([4.0], median)


def test_few_runs_are_all_usual() -> None:
    assert usual_runs([9.0, 3.0, 1.0, 2.0], timed(1, 3), lambda run: run) == ([1, 2, 3], mean)


def test_what_is_spent_adds_up() -> None:
    made = [(BEFORE, "elementwise", 1.0), (0, "pointwise", 2.0), ("head", "pointwise", 3.0), (AFTER, "dense", 0.5)]
    spent = Spent(summarise(timed(6, 3)), tuple(Operation(row, "", kind, ms, "") for row, kind, ms in made), "1", "")
    assert spent.sum_ms == 6.5 and spent.between_ms == -5.5
    assert {kind: ms for kind, ms in spent.by_kind().items() if ms} == {"pointwise": 5.0}
    assert set(spent.by_kind()) == set(TIME_KINDS) and [each.ms for each in spent.of_row("head")] == [3]


# Nodes of ONNX Runtime


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/net/trunk/trunk.3/depthwise/conv/Conv", ("trunk", "3", "depthwise", "conv")),
        ("/net/trunk/trunk.1/branch/branch.0/Conv", ("trunk", "1", "branch", "0")),
        ("/net/head/classifier/Gemm", ("head", "classifier")),
        ("/Softmax", None),
        ("ReorderInput_token_57", None),
    ],
)
def test_a_name_tells_the_modules_around_a_node(name: str, path: tuple[str, ...] | None) -> None:
    assert path_of(name) == path


@pytest.mark.parametrize(
    ("place", "module", "output", "expected"),
    [
        (Place((), "Conv", (1, 1)), None, "float", "pointwise"),
        (Place((), "FusedConv", (3, 1)), None, "float", "convolution"),
        (Place((), "Conv", (1, 1), depthwise=True), None, "float", "depthwise"),
        (Place((), "ReorderOutput"), None, "float", "layout"),
        (Place((), "FusedGemm"), None, "float", "dense"),
        (Place((), "GlobalAveragePool"), None, "float", "pooling"),
        (Place((), "BatchNormalization"), None, "float", "normalisation"),
        (Place((), "Transpose"), None, "float", "shuffle"),
        (Place((), "Mul"), None, "int64", "shuffle"),  # the arithmetic of a shape
        (Place((), "Clip"), None, "float", "activation"),
        (Place((), "Mul"), nn.Hardswish(), "float", "activation"),  # the leaf around it says it
        (Place((), "Mul"), nn.Sequential(nn.ReLU()), "float", "elementwise"),
        (Place((), "Add"), None, "float", "elementwise"),
    ],
)
def test_kinds_of_nodes(place: Place, module: nn.Module | None, output: str, expected: str) -> None:
    assert kind(place, module, output) == expected and expected in TIME_KINDS


def graph() -> Any:
    """As the optimiser leaves it: a fused node without a name, changes of layout, a convolution that lost its name."""
    onnx = pytest.importorskip("onnx")
    made = [
        onnx.helper.make_node("Cast", ["image"], ["floats"], "/Cast"),
        onnx.helper.make_node("ReorderInput", ["floats"], ["blocked"], "ReorderInput_token_1"),
        onnx.helper.make_node("Conv", ["blocked", "w"], ["/net/trunk/trunk.0/conv/Conv_output"], "", group=8),
        onnx.helper.make_node("Sigmoid", ["/net/trunk/trunk.0/conv/Conv_output"], ["s"], ""),
        onnx.helper.make_node("ReorderOutput", ["s"], ["plain"], "ReorderOutput_token_2"),
        onnx.helper.make_node("Gemm", ["plain", "v"], ["logits"], "/net/head/classifier/Gemm"),
        onnx.helper.make_node("Softmax", ["logits"], ["answer"], "/Softmax"),
        onnx.helper.make_node("Sigmoid", ["lonely"], ["unread"], ""),
    ]
    shape = [8, 1, 3, 5]
    weights = [onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, shape, [0.0] * 120)]
    return onnx.helper.make_graph(made, "graph", [], [], weights)


def test_nodes_without_a_name_belong_to_their_neighbours() -> None:
    found = places(graph())
    row = ("trunk", "0", "conv")
    assert {name or operator: place.path for (name, operator, _), place in found.items() if operator != "Sigmoid"} == {
        "/Cast": None,
        "ReorderInput_token_1": row,  # done for the one that reads it
        "Conv": row,
        "ReorderOutput_token_2": row,
        "/net/head/classifier/Gemm": ("head", "classifier"),
        "/Softmax": None,
    }
    assert found["", "Sigmoid", 0].path == row
    assert found["", "Sigmoid", 1].path is None  # the second of that name, beside nothing
    assert found["", "Conv", 0] == Place(row, "Conv", (3, 5), depthwise=True)


def test_what_ran_is_found_at_its_place_without_the_profile_s_own_time() -> None:
    ran = [(Event(node.name, node.op_type, "float", 0), 10.0 * number) for number, node in enumerate(graph().node, 1)]
    found = located(tiny(), graph(), ran[:7], overhead_ms=0.015)
    assert [operation.row for operation in found] == [BEFORE, 0, 0, 0, 0, "head", AFTER]
    assert [operation.kind for operation in found][1:6] == ["layout", "depthwise", "activation", "layout", "dense"]
    assert [operation.ms for operation in found][:3] == [0, pytest.approx(0.005), pytest.approx(0.015)]
    assert found[5].part == "classifier" and found[2].kernel == (3, 5)


def test_the_innermost_module_and_its_squeeze_and_excite() -> None:
    net = tiny()
    conv, squeezed = module_at(net, ("trunk", "0", "nowhere", "conv"))
    assert conv is net.trunk[0] and not squeezed
    names = [name for name, module in net.trunk[1].named_modules() if isinstance(module, nodes.SqueezeExcite)]
    module, squeezed = module_at(net, ("trunk", "1", *names[0].split("."), "sigmoid"))
    assert squeezed and module is net.trunk[1].get_submodule(names[0])


def test_a_profile_is_read_run_by_run(tmp_path: Path) -> None:
    def node(name: str, us: int) -> dict[str, Any]:
        told = {"op_name": "Conv", "output_type_shape": [{"float": [1, 8]}]}
        return {"cat": "Node", "name": name, "dur": us, "args": told}

    end = {"cat": "Session", "name": "model_run"}
    start = {"cat": "Node", "name": "a_fence_before", "dur": 9, "args": {}}
    events = [start, node("a_kernel_time", 3), node("b_kernel_time", 4), end, node("a_kernel_time", 5), end]
    (tmp_path / "profile.json").write_text(json.dumps(events))
    a, b, later = Event("a", "Conv", "float", 3.5), Event("b", "Conv", "float", 4.5), Event("a", "Conv", "float", 5.5)
    assert read_profile(tmp_path / "profile.json") == [[a, b], [later]]


def test_row_times_and_profile_say_the_same_of_one_profile(tmp_path: Path) -> None:
    """ShuffleNetV2 has nodes that the optimiser names: channel shuffles, changes of layout."""
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("pocketvision.runtimes.onnxruntime")
    net = build(create_spec("shufflenet_v2", 0.5, 64, 3)).eval()
    opened = runtime.load(runtime.convert(net, tmp_path / "net.onnx"), 1, tmp_path / "profile")
    for _ in range(3):
        opened.run(random_pixels(net.preprocessing))
    found = end_profile(opened.session, tmp_path / "profile")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]  # what was read is taken away
    runs, nodes = by_part(found)
    assert set(nodes) == {PIXELS, HEAD, *range(len(net.trunk))} and sum(nodes.values()) == len(found.runs[0])
    for run, events in zip(runs, found.runs, strict=True):
        spent = Spent(
            summarise(timed(1, 3)), located(net, found.graph, [(event, event.us) for event in events], 0), "", ""
        )
        assert 1e3 * run[PIXELS] == pytest.approx(sum(operation.ms for operation in spent.of_row(BEFORE)))
        for row in range(len(net.trunk)):
            assert 1e3 * run[row] == pytest.approx(sum(operation.ms for operation in spent.of_row(row)))
        outside = [*spent.of_row("head"), *spent.of_row(AFTER)]
        assert 1e3 * run[HEAD] == pytest.approx(sum(operation.ms for operation in outside))


def test_a_node_of_the_optimiser_s_belongs_to_the_row_that_reads_it() -> None:
    ran = [Event(node.name, node.op_type, "float", 10.0) for node in graph().node][:7]
    runs, nodes = by_part(Profile([ran, ran], graph()))
    assert nodes == {PIXELS: 1, 0: 4, HEAD: 2}  # the change of layout before the first row is that row's
    assert runs == [pytest.approx({PIXELS: 1e-5, 0: 4e-5, HEAD: 2e-5})] * 2
    assert by_part(Profile([], graph())) == ([], {})


def test_graphs_are_read_as_the_onnx_package_reads_them(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.helper.make_model(graph())
    (tmp_path / "graph.onnx").write_bytes(model.SerializeToString())
    assert places(read_graph(tmp_path / "graph.onnx")) == places(graph())


def test_a_chain_is_as_long_as_it_says() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(chain(7))
    onnx.checker.check_model(model, full_check=True)
    assert len(model.graph.node) == 7


# Whole profiles


@pytest.mark.parametrize("runtime", PROFILED)
def test_every_row_has_its_operations(runtime: str) -> None:
    if runtime == "onnxruntime":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    found = json.loads(json.dumps(profile(tiny(), rounds=6, runtime=runtime)))
    assert [row["row"] for row in found["rows"]] == [0, 1, "head"] and found["runtime"] == runtime
    kinds = [{each["kind"] for each in row["operations"]} for row in found["rows"]]
    assert "convolution" in kinds[0] and "dense" in kinds[2] and {"pointwise", "depthwise", "pooling"} <= kinds[1]
    assert [each["kernel"] for each in found["rows"][1]["operations"] if each["kind"] == "depthwise"] == [[5, 5]]
    squeezed = [each for row in found["rows"] for each in row["operations"] if each["squeeze"]]
    assert squeezed and found["squeeze_excite"]["ms"] == pytest.approx(sum(each["ms"] for each in squeezed))
    for row in found["rows"]:
        assert row["ms"] == pytest.approx(sum(each["ms"] for each in row["operations"]))
    outside = sum(found["outside"].values())
    assert found["sum_ms"] == pytest.approx(outside + sum(row["ms"] for row in found["rows"]))
    assert found["sum_ms"] + found["between_ms"] == pytest.approx(found["ms"])
    assert sum(each["share_ms"] for each in found["kinds"].values()) == pytest.approx(1)
    assert found["machine"]["cpu"] and found["version"] and found["threads"] == 1


def test_the_file_that_ships_is_what_is_looked_into(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("pocketvision.runtimes.onnxruntime")
    net, other = tiny(), build(Spec("other", (Conv(3, 8, "relu", 4),), Classifier(3), (16, 24), 3)).eval()
    other.preprocessing = net.preprocessing
    shipped = runtime.convert(other, tmp_path / "model.onnx")
    found = profile(net, 6, "onnxruntime", exported=shipped)
    assert not found["rows"][1]["operations"] and not found["squeeze_excite"]["ms"]  # the file has one row, no gate
    with pytest.raises(InputError, match="there is no file"):
        profile(net, 6, "onnxruntime", exported=tmp_path / "missing.onnx")
    with pytest.raises(InputError, match="PyTorch cannot look into .*model.onnx"):
        profile(net, 6, "torch", exported=shipped)


def test_what_cannot_be_looked_into_is_said() -> None:
    with pytest.raises(InputError, match="cannot look into runtime 'ncnn': profile takes onnxruntime or torch"):
        profile(tiny(), runtime="ncnn")
    with pytest.raises(InputError, match="cannot profile -1 threads"):
        profile(tiny(), threads=-1)

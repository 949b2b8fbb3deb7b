"""Rows under the machine's ceilings: by hand, in plots, and in sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pocketvision.commands.profile import profile as command
from pocketvision.errors import InputError
from pocketvision.measure import machine_peaks
from pocketvision.measure import profile as profile_module
from pocketvision.measure.kinds import TIME_KINDS
from pocketvision.measure.roofline import nearest, on_roofline, worth_attacking
from pocketvision.report import kinds, profile_page, roofline, text
from pocketvision.report.closer import kinds as kinds_in_a_report
from pocketvision.report.svg import PALETTE
from pocketvision.report.worth import in_words, worth
from test_machine_peaks import FOUND

KB = 1000


def operation(kind: str, ms: float, part: str = "", kernel: tuple[int, ...] = (), squeeze: bool = False) -> Any:
    return {"kind": kind, "ms": ms, "part": part, "name": part, "kernel": list(kernel), "squeeze": squeeze}


def row(number: int | str, kind: str, ms: float, macs: int, params: int, *operations: Any) -> dict[str, Any]:
    """A row of 8x10x10 -> 8x10x10: 6400 bytes of maps."""
    return {
        "row": number, "kind": kind, "input": [8, 10, 10], "output": [8, 10, 10], "params": params, "macs": macs,
        "mac_bytes": 0, "activations": 800, "training_bytes": 0, "ms": ms, "share_ms": ms / 10,
        "operations": list(operations),
    }  # fmt: skip


def sample() -> dict[str, Any]:
    """What `measure.profile` says: 10 ms, of which row 1 has the most and row 2 has no arithmetic."""
    expand = (operation("pointwise", 1.0, "expand.conv"), operation("depthwise", 3.0, "depthwise.conv", (5, 5)))
    gate = (operation("pointwise", 1.0, "gate.reduce", squeeze=True), operation("pooling", 0.5, "gate", squeeze=True))
    rows = [
        row(0, "Conv", 2.0, 50_000_000, 250, operation("convolution", 2.0, "conv", (3, 3))),
        row(1, "Bneck", 5.5, 10_000_000, 1000, *expand, *gate),
        row(2, "Shuffle", 0.5, 0, 0, operation("shuffle", 0.5)),
        row("head", "Classifier", 2.0, 40_000_000, 1000, operation("dense", 1.5), operation("pooling", 0.5)),
    ]
    spent = {kind: sum(each["ms"] for one in rows for each in one["operations"] if each["kind"] == kind)
             for kind in TIME_KINDS}  # fmt: skip
    shares = {"params": 0, "macs": 0, "share_params": 0.0, "share_macs": 0.0}
    return {
        "model": "sample", "runtime": "onnxruntime", "version": "1", "threads": 1, "params": 2250, "macs": 100_000_000,
        "mac_bytes": 0, "activations": 3200, "peak_activation_bytes": 6400, "training_bytes": 0, "ms": 10.5,
        "ms_interval": [10.0, 11.0], "sum_ms": 10.0, "between_ms": 0.5, "gap": 0.05, "overhead_us": 1.0, "how": "means",
        "outside": {"input": 0.0, "output": 0.0}, "squeeze_excite": {"ms": 1.5, "share_ms": 0.15}, "notes": [],
        "machine": {"cpu": "X", "versions": {}}, "rows": rows,
        "kinds": {kind: {**shares, "ms": ms, "share_ms": ms / 10} for kind, ms in spent.items()},
    }  # fmt: skip


def with_ceilings(**more: Any) -> dict[str, Any]:
    """A machine of 100 GFLOP/s; 10 KB of L2 at 10 GB/s, 100 KB of L3 at 2, the rest at 1."""
    rates = {"L2": (10 * KB, 10.0), "L3": (100 * KB, 2.0), "DRAM": (None, 1.0)}
    levels = {level: {"bytes": 1, "room": room, "read": read, "copy": read} for level, (room, read) in rates.items()}
    return {"cpu": "X", "versions": {}, "peaks": {"1": FOUND | {"bandwidth": levels} | more}}


def without_bandwidth() -> dict[str, Any]:
    none = {"bytes": None, "room": None, "read": None, "copy": None, "reason": "no process"}
    return with_ceilings(bandwidth=dict.fromkeys(("L2", "L3", "DRAM"), none))


# By hand


def test_rows_on_the_roofline_by_hand() -> None:
    found = on_roofline(sample(), with_ceilings())
    roof, (conv, _, shuffle, head) = found["roofline"], found["rows"]
    # 4 * 2250 bytes of weights and 6400 of maps lie in L3; each row's maps alone in L2
    assert roof["weights_from"] == "L3" and roof["bandwidth"] == {"L2": 10, "L3": 2, "DRAM": 1}
    assert (roof["threads"], roof["fma_gflops"], roof["fma_source"]) == (1, 100, FOUND["fma_source"])
    assert conv["bytes"] == 7400 and conv["intensity"] == pytest.approx(1e8 / 7400)
    assert conv["gflops"] == pytest.approx(50) and conv["floor_ms"] == pytest.approx(1)
    assert conv["of_machine"] == pytest.approx(0.5) and conv["bound"] == "arithmetic"
    assert shuffle["floor_ms"] == pytest.approx(6400 / 10 / 1e6) and shuffle["bound"] == "memory"
    assert head["floor_ms"] == pytest.approx(0.8)
    slow = with_ceilings()
    slow["peaks"]["1"]["bandwidth"]["L3"]["read"] = 1e-3
    assert on_roofline(sample(), slow)["rows"][3]["floor_ms"] == pytest.approx(4000 / 1e-3 / 1e6 + 6400 / 10 / 1e6)
    assert [item["row"] for item in found["worth"]] == [1, "head", 0]  # by the ms they lose: 5.3, 1.2, 1.0


def test_room_is_what_the_threads_have_together() -> None:
    """Whatever a single core's cache: the measurement says it."""
    machine = with_ceilings() | {"caches": {"L2": 1 << 30, "L3": 1 << 30}}
    assert on_roofline(sample(), machine)["roofline"]["weights_from"] == "L3"
    machine["peaks"]["1"]["bandwidth"]["L3"]["room"] = None
    assert on_roofline(sample(), machine)["roofline"]["weights_from"] == "DRAM"


def test_nearest_memory() -> None:
    room, rates = {"L2": 10, "L3": 100}, {"L2": 3.0, "L3": 2.0, "DRAM": 1.0}
    assert [nearest(size, room, rates) for size in (10, 11, 101)] == ["L2", "L3", "DRAM"]
    assert nearest(5, room, {"DRAM": 1.0}) == "DRAM"
    assert nearest(500, room, {"L2": 3.0, "L3": 2.0}) == "L3"  # main memory was not measured: the last that was
    assert nearest(5, room, {}) is None


def test_without_a_ceiling_nothing_is_said_of_the_machine() -> None:
    for machine in (without_bandwidth(), with_ceilings(fma_gflops=None)):
        found = on_roofline(sample(), machine)
        assert {(each["floor_ms"], each["of_machine"], each["bound"]) for each in found["rows"]} == {(None, None, None)}
        assert found["worth"] == worth(found) == [] and found["rows"][0]["gflops"] == pytest.approx(50)


def test_rows_that_lose_most_come_first() -> None:
    rows = [{"row": name, "ms": ms, "floor_ms": floor} for name, ms, floor in
            (("a", 5.0, 4.0), ("b", 3.0, 0.5), ("unknown", 9.0, None), ("c", 2.0, 0.0), ("d", 1.0, 0.9))]  # fmt: skip
    assert [each["row"] for each in worth_attacking(rows)] == ["b", "c", "a"]
    assert [each["row"] for each in worth_attacking(rows, 1)] == ["b"]


# Sentences


def test_the_rows_worth_attacking_in_sentences() -> None:
    found = on_roofline(sample(), with_ceilings())
    assert [item["text"] for item in worth(found)] == [
        "row 1, Bneck 10x10x8 -> 10x10x8: 55 % of the time at 4 % of what the machine can, bound by arithmetic; its "
        "depthwise 5x5 takes 55 % of it, the row has only 10.0 % of the multiply-adds",
        "the head, Classifier 10x10x8 -> 10x10x8: 20 % of the time at 40 % of what the machine can, bound by "
        "arithmetic; its dense layer takes 75 % of it",
        "row 0, Conv 10x10x8 -> 10x10x8: 20 % of the time at 50 % of what the machine can, bound by arithmetic",
    ]
    assert [item["row"] for item in worth(found)] == [1, "head", 0]
    assert worth(found | {"worth": worth(found)}) == worth(found)


def test_what_takes_most_of_a_row_has_a_name() -> None:
    found = on_roofline(sample(), with_ceilings())
    bneck = found["rows"][1]
    assert "; its squeeze-and-excite takes 27 % of it" in in_words(_only(bneck, True), found)  # its parts together
    assert "; its 1x1 expand takes 18 % of it" in in_words(_only(bneck, False), found)
    fused = bneck | {"operations": [operation("pointwise", 5.0, "act"), operation("pooling", 0.5)]}
    assert "; its 1x1 convolution takes 91 % of it" in in_words(fused, found)  # named after what was fused into it


def _only(bneck: dict[str, Any], squeeze: bool) -> dict[str, Any]:
    kept = [each for each in bneck["operations"] if each["squeeze"] == squeeze and each["kind"] != "depthwise"]
    return bneck | {"operations": [*kept, operation("activation", 0.1)]}


def test_shapes_as_papers_write_them() -> None:
    assert text.shape([112, 14, 7]) == "14×7×112" and text.shape([112, 14, 7], "x") == "14x7x112"
    assert text.shape([1000]) == "1000"


def test_every_kind_of_operation_has_a_name_and_a_colour_of_its_own() -> None:
    assert set(kinds.KINDS) == set(TIME_KINDS)
    for field in ("name", "short", "said", "colour"):
        assert len({getattr(kind, field) for kind in kinds.KINDS.values()}) == len(TIME_KINDS)
    assert {kind.colour for kind in kinds.KINDS.values()} <= set(PALETTE) & set(roofline.COLOURS)
    assert kinds.name("depthwise") == "depthwise convolution" and kinds.name("dance") == "dance"
    amounts = {"ms": 1.0, "share_ms": 0.5, "share_macs": 0.0, "share_params": 0.0}
    shown = kinds_in_a_report({"kinds": {"pointwise": amounts, "dance": amounts | {"share_ms": 0.7}}})
    assert [each["name"] for each in shown] == ["dance", "1 × 1 convolution"]


# Plots


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["head", 12, 2, 8, 9, 11, 10], "2, 8–12, head"),
        ([3, 4], "3, 4"),
        ([4, 0, 1, 2], "0–2, 4"),
        (["head"], "head"),
    ],
)
def test_names_of_neighbours(rows: list[int | str], said: str) -> None:
    assert roofline._names(rows) == said


def test_points_that_touch_share_a_name_whatever_their_order() -> None:
    """0 and 2 are apart, 1 lies between them."""
    from pocketvision.report.svg import figure, panel

    axes = panel(figure(700, 400), 0, 0, 0, 0)
    axes.set_xlim(0, 700)
    axes.set_ylim(0, 400)
    rows = [{"row": number, "intensity": x, "gflops": 100.0} for number, x in ((0, 100), (2, 130), (5, 400), (1, 115))]
    assert roofline._together(axes, rows) == [("5", 400, 100), ("0–2", 130, 100)]


def test_plots_with_ceilings() -> None:
    found = on_roofline(sample(), with_ceilings())
    found["worth"] = worth(found)
    assert roofline.has_ceilings(found)
    for narrow in (False, True):
        drawn = roofline.roofline(found, narrow)
        assert "L2 10 GB/s" in drawn and "100 GFLOP/s" in drawn and drawn.startswith("<svg")
        assert "full convolution" in roofline.row_times(found, narrow)
    found["model"] = "mobilenet_v3_large_0.35_16"
    page = profile_page.render(found)
    assert "<h1>mobilenet_v3_large_<wbr>0.35_<wbr>16</h1>" in page
    assert "Under the roofline" in page and "Row 1, Bneck 10x10x8" in page and "depthwise convolution" in page
    assert roofline.png(found).startswith(b"\x89PNG")


@pytest.mark.parametrize("machine", [without_bandwidth(), with_ceilings(fma_gflops=None)], ids=["memory", "arithmetic"])
def test_plots_without_a_ceiling(machine: dict[str, Any]) -> None:
    found = on_roofline(sample(), machine)
    assert not roofline.has_ceilings(found) and not roofline.has_ceilings(sample())
    assert roofline.roofline(found) == "" and roofline.png(found).startswith(b"\x89PNG")
    page = profile_page.render(found)
    assert "Under the roofline" not in page and "Where the time goes" in page


# The command


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The command on the sample and a machine that is not measured; what it says was reached."""
    told: list[Any] = []

    def with_peaks(here: dict[str, Any], threads: list[int], show: bool, reached: dict[int, float]) -> dict[str, Any]:
        told.append(reached)
        return here | {"peaks": with_ceilings()["peaks"]}

    monkeypatch.setattr(profile_module, "profile", lambda net, runtime, threads: sample() | {"runtime": runtime})
    monkeypatch.setattr(machine_peaks, "measured_machine", lambda threads, show: told.append(threads))
    monkeypatch.setattr(machine_peaks, "with_peaks", with_peaks)
    return told


def test_the_command_writes_what_the_name_says(
    reached: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in (".json", ".html", ".png"):
        command("squeezenet_1.1", runtime="torch", out=tmp_path / "sub" / f"p{ending}", json=True)
    printed = json.loads(capsys.readouterr().out.partition("\n}\n")[0] + "}")
    assert json.loads((tmp_path / "sub" / "p.json").read_text()) == printed
    assert printed["runtime"] == "torch" and printed["machine"]["peaks"]["1"]["fma_gflops"] == 100
    assert printed["worth"][0]["text"].startswith("row 1, Bneck ")
    assert "Worth attacking" in (tmp_path / "sub" / "p.html").read_text()
    assert (tmp_path / "sub" / "p.png").read_bytes().startswith(b"\x89PNG")
    # the threads are checked before anything is timed; the whole network is 2 * 100 M in 10.5 ms (row 0 alone: 50)
    assert reached[:2] == [[1], {1: pytest.approx(200 / 10.5)}]
    command("squeezenet_1.1")
    shown = capsys.readouterr().out
    assert "whole network 10.5 ms in onnxruntime 1, 1 thread" in shown and "worth attacking:\n  row 1, Bneck" in shown


def test_where_the_command_cannot_write_is_said_before_anything_is_timed(reached: list[Any], tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    for out, why in ((tmp_path / "folder.html", "it is a folder"), (tmp_path / "p.pdf", "its name should end in")):
        with pytest.raises(InputError, match=why):
            command("squeezenet_1.1", out=out)
    with pytest.raises(InputError, match="give 1 or more"):
        command("squeezenet_1.1", threads=0)
    with pytest.raises(InputError, match="cannot look into runtime 'onxruntime'"):
        command("squeezenet_1.1", runtime="onxruntime")
    assert reached == []

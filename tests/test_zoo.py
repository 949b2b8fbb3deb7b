"""`bench --zoo`: which networks, what is made of their times (cases worked out by hand), and real runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conftest import Ran
from pocketvision.commands.bench import bench
from pocketvision.errors import InputError
from pocketvision.journal import Journal
from pocketvision.measure import batches
from pocketvision.measure.batches import Look
from pocketvision.models import list_models, split_name
from pocketvision.models.published import PUBLISHED
from pocketvision.report import zoo_page, zoo_plots
from pocketvision.zoo import batch as zoo_batch
from pocketvision.zoo.analysis import families, pairs, pareto_front, rank_correlation
from pocketvision.zoo.batch import Where
from pocketvision.zoo.measure import measure, times
from pocketvision.zoo.networks import members
from pocketvision.zoo.run import zoo_report

QUICK = Look(6, 0.0005)
FOUR = ["mobilenet_v2_0.35_96", "mnasnet_a1_0.35_96", "mobilenet_v1_0.25_96", "shufflenet_v2_0.5_96"]


def row(name: str, macs: float, ms: float, top1: float | None = None, kind: str = "published", **more: Any) -> Any:
    """A row with an interval of 10 % to each side."""
    line = name.rstrip("0123456789")
    made = {"name": name, "base": line, "line": line, "macs": macs, "ms": ms, "low_ms": 0.9 * ms, "high_ms": 1.1 * ms}
    return {**made, "top1": top1, "top1_is": kind if top1 is not None else None, **more}


# The networks


def test_every_family_is_there_over_widths_and_resolutions() -> None:
    zoo = members()
    assert 100 <= len(zoo) <= 130 and len({member.name for member in zoo}) == len(zoo)
    bases = {split_name(name).base for name in list_models()}
    for base in bases:
        of_base = [member for member in zoo if member.base == base]
        assert len({member.width for member in of_base}) > 1 < len({member.resolution for member in of_base}), base
    found = {(member.base, member.width, member.resolution): member for member in zoo}
    assert set(PUBLISHED) <= set(found) and {member.base for member in zoo} == bases
    for key, member in found.items():
        known = PUBLISHED.get(key)
        assert (member.source is None) == (known is None)
        if not any(base == member.base for base, _, _ in PUBLISHED):
            assert member.top1 is None and member.top1_is is None
            continue
        assert member.top1_is == ("published" if known else "estimated")
        assert member.top1 is not None and 0.3 < member.top1 < 0.8 and (known is None or member.top1 == known)


@pytest.mark.parametrize("name", ["resnet_50_separable", "shufflenet_v1_g2", "squeezenet_1.0_simple"])
def test_a_variant_borrows_no_accuracy(name: str) -> None:
    (member,) = members([name])
    assert member.top1 is None and member.top1_is is None and member.source is None
    unknown = row(name, 1e6, 1.0)
    assert zoo_plots.accuracy_over_latency([unknown]) == "" and pareto_front([unknown]) == []


def test_patterns_choose_and_names_add() -> None:
    assert {member.base for member in members(["mobilenet_v3*"])} == {
        f"mobilenet_v3_{size}{minimal}" for size in ("large", "small") for minimal in ("", "_minimalistic")
    }
    assert [member.name for member in members(["mobilenet_v2_1.0_224", "mobilenet_v2"])] == ["mobilenet_v2"]
    (new,) = members(["mobilenet_v2_0.9_200"])
    assert (new.name, new.top1_is) == ("mobilenet_v2_0.9_200", "estimated")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("mobilenet_v9*", "no network of the zoo matches 'mobilenet_v9\\*'"),
        ("mobilenet_v22", "did you mean 'mobilenet_v2"),
        ("runs/a.onnx", "is a file"),
        ("mobilenet_v2_1.0_224x160", "square images only"),
        ("squeezenet_1.0_1.0_8", "at least 24 px"),
    ],
)
def test_what_is_no_network_of_the_zoo(wanted: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        members([wanted])


# What is made of the times


def test_pareto_front_by_hand() -> None:
    rows = [
        row("slow-best", 1, 9.0, 0.80),
        row("fast", 1, 1.0, 0.50),
        row("beaten", 1, 2.0, 0.49),
        row("middle", 1, 3.0, 0.70),
        row("as-accurate-but-slower", 1, 3.5, 0.70),
        row("as-fast-but-worse", 1, 3.0, 0.69),
        row("estimated", 1, 0.5, 0.90, "estimated"),
        row("unknown", 1, 0.1),
    ]
    assert pareto_front(rows) == ["fast", "middle", "slow-best"]
    assert pareto_front([row("a", 1, 1.0, 0.5), row("b", 1, 1.0, 0.5)]) == ["a", "b"]
    assert pareto_front([]) == []


def test_rank_correlation_by_hand() -> None:
    rows = [row(f"a{macs}", macs, ms) for macs, ms in ((1, 10.0), (2, 30.0), (3, 20.0), (4, 40.0))]
    assert rank_correlation(rows) == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 - 6 sum(d^2) / (n (n^2 - 1))
    assert rank_correlation(rows[:3]) is None
    assert rank_correlation([row(f"a{i}", 5, i + 1.0) for i in range(4)]) is None
    found = families([*rows, row("b1", 200_000_000, 4.0), row("b2", 100_000_000, 3.0)])
    assert [(family["base"], family["networks"], family["correlation"]) for family in found] == [
        ("b", 2, None),
        ("a", 4, pytest.approx(0.8)),
    ]
    assert found[0]["ms_per_100m"] == pytest.approx(2.5)


def test_wrong_pairs_by_hand() -> None:
    rows = [
        row("a1", 100, 10.0),
        row("b1", 200, 5.0),  # clearly faster than a1
        row("c1", 300, 9.0),  # faster than a1 within noise: 9.0 to 11 against 8.1 to 9.9
        row("d1", 300, 20.0),  # as many as c1: nothing to order
    ]
    found = pairs(rows)
    assert {key: found[key] for key in ("total", "wrong", "unclear")} == {"total": 5, "wrong": 1, "unclear": 1}
    assert found["share"] == pytest.approx(1 / 5)
    (shown,) = found["shown"]
    assert (shown["fewer"]["name"], shown["more"]["name"]) == ("a1", "b1")
    assert (shown["macs_ratio"], shown["time_ratio"]) == (2.0, 2.0)
    assert pairs(rows[:1]) == {"total": 0, "wrong": 0, "unclear": 0, "share": None, "shown": []}


def test_the_pairs_that_are_shown_are_diverse() -> None:
    slow = [row(f"slow{i}", 100 + i, 100.0 + i) for i in range(6)]
    fast = [row(f"{letter}{i}", 1000 + i, 1.0 + i) for letter in "abcdefghijklm" for i in range(2)]
    shown = pairs([*slow, *fast])["shown"]
    names = [pair[side]["name"] for pair in shown for side in ("fewer", "more")]
    assert len(shown) == 6 and len(set(names)) == 12  # six slow ones, each once
    assert len({pair["more"]["line"] for pair in shown}) == 6


def test_batches_are_brought_to_one_speed() -> None:
    """The second batch ran on a machine half as fast as the first, the third between them."""
    journal = Journal()
    journal.known = {"settings": {}, "machine": {}}
    for name, ms in (("a", 1.0), ("b", 4.0), ("c", 2.0)):
        timed = {"ms": 10.0, "low_ms": 9.0, "high_ms": 12.0, "params": 1, "macs": 2, "max_error": 0.0, "error": None}
        failed = {**dict.fromkeys(timed), "error": "it would not"}
        journal.known[f"batch {name}"] = {
            "rows": {name: timed, f"{name}-failed": failed},
            "reference": {"ms": ms, "low_ms": 0.9 * ms, "high_ms": 1.2 * ms},
            "load": {"before": {"load": [ms, 0.0, 0.0]}, "after": name},
            "warnings": [name],
            "time": name,
        }
    found = times(journal)
    assert [found["rows"][name]["ms"] for name in "abc"] == [20.0, 5.0, 10.0]
    assert found["rows"]["a"]["low_ms"] == pytest.approx(9 * 2 / 1.2)
    assert found["rows"]["a"]["high_ms"] == pytest.approx(12 * 2 / 0.9)
    assert found["rows"]["a-failed"]["ms"] is None and found["rows"]["a-failed"]["error"] == "it would not"
    assert found["pace"] == [0.5, 2.0] and found["warnings"] == ["a", "b", "c"]
    assert (found["began"], found["ended"]) == ("a", "c")
    assert found["load"] == {"before": {"load": [1.0, 0.0, 0.0]}, "after": "c"}
    assert [(found["rows"][name]["load"], found["rows"][name]["time"]) for name in "abc"] == [
        (1.0, "a"), (4.0, "b"), (2.0, "c")
    ]  # fmt: skip


# Runs


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo_batch, "REFERENCES", ("mobilenet_v2_0.35_96",))
    monkeypatch.setattr(batches, "TOGETHER", 2)


def test_a_killed_run_goes_on(small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []
    real = zoo_batch.bench_report

    def counted(nets: Mapping[str, Any], *args: Any, **options: Any) -> dict[str, Any]:
        asked.append([name for name in nets if not name.startswith("reference ")])
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(nets, *args, **options)

    monkeypatch.setattr(zoo_batch, "bench_report", counted)
    where = Where(keep=tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt):
        zoo_report(tmp_path, where, FOUR, QUICK, show=False)
    report = zoo_report(tmp_path, where, FOUR, QUICK, show=False)
    assert asked == [[], FOUR[:2], FOUR[2:], [], FOUR[2:]]  # a look at the machine first, each time
    assert {found["name"] for found in report["rows"]} == set(FOUR) and not report["failed"]
    assert [found["ms"] for found in report["rows"]] == sorted(found["ms"] for found in report["rows"])
    assert all(found["low_ms"] <= found["ms"] <= found["high_ms"] and found["macs"] for found in report["rows"])
    assert {found["name"]: found["top1_is"] for found in report["rows"]} == {
        name: "published" if i < 2 else "estimated" for i, name in enumerate(FOUR)
    }
    assert set(report["front"]) <= set(FOUR[:2]) and report["pairs"]["total"] == 6
    assert report["version"] and report["machine"]["cpu"] and report["rounds"] == 6

    again = zoo_report(tmp_path, where, FOUR[:1], QUICK, show=False)  # less of the same: nothing is timed
    assert asked[5:] == [[]] and [found["name"] for found in again["rows"]] == FOUR[:1]
    journal = json.loads((tmp_path / "journal.json").read_text())
    journal["settings"] |= {"cpu": "another", "version": "0"}
    (tmp_path / "journal.json").write_text(json.dumps(journal))
    message = (
        r"journal.json is of a run with other settings \(version, rounds, cpu differ\): choose another --out folder"
    )
    with pytest.raises(InputError, match=message):
        zoo_report(tmp_path, where, FOUR, Look(7, 0.0005), show=False)


def fake_report(nets: Mapping[str, Any], *args: Any, **options: Any) -> dict[str, Any]:
    """As `bench_report` answers, but that of some networks: "refused" is an error at once, "wrong" only in its row."""
    if any("mnasnet" in name for name in nets):
        raise InputError("the engine refuses it")
    if any("reference" not in name and "resnet" in name for name in nets) and len(nets) > 2:
        raise InputError("the engine has died")
    return {
        "results": [
            {
                "model": name,
                **dict.fromkeys(("median_ms", "least_ms", "most_ms"), None if "shuffle" in name else 2.0),
                "params": 1,
                "macs": 2,
                "max_error": 0.0,
                "version": "1",
                "error": "its answer is wrong" if "shuffle" in name else None,
            }
            for name in nets
        ],
        "machine": {"cpu": "a", "versions": {}},
        "load": {"before": {"load": None}, "after": {"load": None}},
        "warnings": [],
        "time": "2026-01-01T00:00:00+00:00",
    }


def test_what_fails_is_left_out_and_the_rest_goes_on(
    small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(zoo_batch, "bench_report", fake_report)
    monkeypatch.setattr(zoo_batch, "_network", lambda name: name)
    monkeypatch.setattr(batches, "TOGETHER", 4)
    names = ["mobilenet_v2", "mnasnet_a1", "resnet_50", "shufflenet_v2"]
    report = zoo_report(tmp_path, Where(), names, QUICK, show=False)
    assert {found["name"] for found in report["rows"]} == {"mobilenet_v2", "resnet_50"}
    assert report["failed"] == [
        {"name": "mnasnet_a1", "error": "the engine refuses it"},
        {"name": "shufflenet_v2", "error": "its answer is wrong"},
    ]
    page = zoo_page.render(report)
    assert "mnasnet_a1 could not be timed: the engine refuses it." in page
    last = zoo_report(tmp_path / "alone", Where(), ["mnasnet_a1"], QUICK, show=False)
    assert last["rows"] == [] and len(last["failed"]) == 1 and "0 networks timed" in zoo_page.render(last)

    def broken(nets: Mapping[str, Any], *args: Any, **options: Any) -> dict[str, Any]:
        raise InputError("there is no such device")

    monkeypatch.setattr(zoo_batch, "bench_report", broken)
    with pytest.raises(InputError, match="no such device"):
        zoo_report(tmp_path / "elsewhere", Where(), names, QUICK, show=False)


def test_what_failed_is_tried_again_by_each_new_start(
    small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []
    refused = {"b", "c"}

    def counted(nets: Mapping[str, Any], *args: Any, **options: Any) -> dict[str, Any]:
        names = [name for name in nets if not name.startswith("reference ")]
        asked.append(names)
        if refused & set(names):
            raise InputError("the engine refuses it")
        return fake_report(nets)

    monkeypatch.setattr(zoo_batch, "bench_report", counted)
    monkeypatch.setattr(zoo_batch, "_network", lambda name: name)
    path = tmp_path / "journal.json"
    measure(["a", "b", "c"], Journal(path), Where(), QUICK, show=False)
    refused.remove("b")  # a library was installed, say
    asked.clear()
    measure(["a", "b", "c", "d"], Journal(path), Where(), QUICK, show=False)
    assert asked == [[], ["d"], ["b", "c"], [], ["b"], ["c"]]  # what is new first
    asked.clear()
    measure(["a", "b", "c", "d"], Journal(path), Where(), QUICK, show=False)
    assert asked == [[], ["c"], []]
    found = times(Journal(path))["rows"]
    assert {name: each["error"] for name, each in found.items()} == {
        "a": None, "b": None, "c": "the engine refuses it", "d": None,
    }  # fmt: skip


# The command


def test_a_missing_library_is_said_at_once(run_cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "scipy.py").write_text("raise ModuleNotFoundError(name='scipy')")
    status, _, stderr = run_cli("bench", "--zoo", cwd=tmp_path)
    assert (status, stderr) == (
        2, "error: pocketvision bench needs scipy, not installed here: pip install 'pocketvision[train]'\n"
    )  # fmt: skip
    assert not (tmp_path / "runs").exists()


def test_the_command(call_cli: Callable[..., Ran], tmp_path: Path) -> None:
    arguments = ["bench", "mobilenet_v2_0.35_96", "mobilenet_v1_0.25_96", "--zoo", "--keep", "kept"]
    status, stdout, stderr = call_cli(*arguments, cwd=tmp_path)
    assert status == 0, stderr
    assert "Pareto front" in stdout and "mobilenet_v2_0.35_96" in stdout and "page: runs/zoo/zoo.html" in stdout
    folder = tmp_path / "runs" / "zoo"
    saved = json.loads((folder / "zoo.json").read_text())
    assert saved["command"].startswith("pocketvision bench") and len(saved["rows"]) == 2 and not saved["failed"]
    rows = list(csv.DictReader(io.StringIO((folder / "zoo.csv").read_text())))
    assert [(each["name"], each["top1_is"]) for each in rows] == [
        (each["name"], each["top1_is"]) for each in saved["rows"]
    ]
    assert {each["runtime"] for each in rows} == {"onnxruntime"} and all(float(each["ms"]) > 0 for each in rows)
    assert {each["cpu"] for each in rows} == {saved["machine"]["cpu"]} and all(each["time"] for each in rows)
    assert all(float(each["load"]) >= 0 for each in rows)
    assert "mobilenet_v1_0.25_96" in (folder / "zoo.html").read_text()
    assert any((tmp_path / "kept").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "all"}, "--runtime all: --zoo compares networks in one runtime"),
        ({"runtime": "torch,onnxruntime"}, "give one$"),
        ({"threads": "1,2"}, "--threads 1,2: --zoo compares"),
        ({"threads": "0"}, "--threads 0: give 1 or more"),
        ({"batch": "4"}, "--batch cannot be joined with --zoo"),
        ({"width": 0.5, "classes": 10}, "--width, --classes cannot be joined"),
        ({"compare": (Path("a"), Path("b"))}, "--compare cannot be joined"),
        ({"models": ["x.onnx"]}, "x.onnx is a file"),
        ({"runtime": "opnvino"}, "did you mean 'openvino'"),
    ],
)
def test_what_does_not_go_with_zoo(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        bench(zoo=True, out=tmp_path / "zoo", **options)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out.json").touch()
    with pytest.raises(InputError, match="cannot write to folder"):
        bench(zoo=True, out=tmp_path / "out.json")

"""What changed between two saved comparisons, and what is only noise or another machine."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pocketvision.errors import InputError
from pocketvision.measure.compare import compare, read


def row(model: str, median: float, spread: float = 0.05, **more: Any) -> dict[str, Any]:
    times = {"median_ms": median, "low_ms": median * (1 - spread), "high_ms": median * (1 + spread)}
    return {"model": model, "runtime": "onnxruntime", "threads": 1, "batch": 1, "precision": "fp32", **times, **more}


def document(*rows: dict[str, Any], **machine: Any) -> dict[str, Any]:
    return {"results": list(rows), "machine": {"cpu": "A", "versions": {"numpy": "2.0"}, **machine}}


def verdicts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [found["verdict"] for found in compare(old, new)["rows"]]


OLD = document(row("a", 1.0), row("b", 2.0), row("c", 3.0), row("d", 4.0))


def test_a_change_beyond_both_intervals_is_told() -> None:
    new = document(row("a", 1.5), row("b", 2.05), row("c", 2.0), row("d", 4.1))
    found = compare(OLD, new)
    assert [each["verdict"] for each in found["rows"]] == ["slower", "same", "faster", "same"]
    first = found["rows"][0]
    assert first["change"] == pytest.approx(1.5) and first["low"] < 1.5 < first["high"]
    assert found["notes"] == [] and found["machine"] == {}


def test_what_a_busy_machine_could_not_tell_is_no_change() -> None:
    """The figure has a narrow interval, and the quiet latency lies in a wider one."""
    unsure = row("a", 1.5, least_ms=1.0, most_ms=1.6)
    assert verdicts(OLD, document(unsure, row("b", 2.0), row("c", 3.0), row("d", 4.0)))[0] == "same"


def test_overlapping_intervals_are_never_a_change() -> None:
    assert verdicts(OLD, document(row("a", 1.09), row("b", 2.0), row("c", 3.0), row("d", 4.0)))[0] == "same"
    # apart by less than two runs on one machine may be
    assert verdicts(OLD, document(row("a", 1.2, 0.04), row("b", 2.0), row("c", 3.0), row("d", 4.0)))[0] == "same"
    assert verdicts(OLD, document(row("a", 2.0, 0.6), row("b", 2.0), row("c", 3.0), row("d", 4.0)))[0] == "same"


def test_a_slower_machine_is_no_slower_network() -> None:
    new = document(row("a", 1.3), row("b", 2.6), row("c", 3.9), row("d", 10.0), cpu="B")
    found = compare(OLD, new)
    assert [each["verdict"] for each in found["rows"]] == ["same", "same", "same", "slower"]
    assert found["pace"] == pytest.approx(1.3)
    assert any("1.30 times slower alike" in note for note in found["notes"])
    assert found["machine"] == {"cpu": ["A", "B"]}


def test_a_row_that_kept_its_time_while_the_rest_slowed_down_is_not_called_faster() -> None:
    new = document(row("a", 1.0), row("b", 2.6), row("c", 3.9), row("d", 5.2))
    assert verdicts(OLD, new)[0] == "same"


def test_a_new_runtime_is_not_taken_for_another_machine() -> None:
    names = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    old = document(*(row(name, ms, version="1.30") for name, ms in names.items()))
    new = document(*(row(name, 1.4 * ms, version="1.31") for name, ms in names.items()))
    found = compare(old, new)
    assert [each["verdict"] for each in found["rows"]] == ["slower"] * 4 and found["pace"] == 1
    assert found["rows"][0]["versions"] == ["1.30", "1.31"]
    assert any(note.startswith("onnxruntime 1.30 -> 1.31: ") for note in found["notes"])
    assert not any("the machine changed" in note for note in found["notes"])
    beside = [row(name, ms, runtime="mnn", version="3") for name, ms in names.items()]
    slower = [row(name, 1.4 * ms, runtime="mnn", version="3") for name, ms in names.items()]
    found = compare({**old, "results": old["results"] + beside}, {**new, "results": new["results"] + slower})
    assert {each["verdict"] for each in found["rows"]} == {"same"}  # rows that kept theirs show the machine's pace
    assert found["pace"] == pytest.approx(1.4)


def test_few_rows_cannot_tell_the_machine_from_the_network() -> None:
    found = compare(document(row("a", 1.0)), document(row("a", 2.0)))
    assert found["rows"][0]["verdict"] == "slower"
    assert "fewer than 3 common rows" in found["notes"][0]


def test_what_stands_on_one_side_only_is_named() -> None:
    new = document(row("a", 1.0), row("b", 2.0, threads=2), row("c", None or 3.0), row("e", 1.0))
    found = compare(OLD, new)
    assert [(each["model"], each["threads"]) for each in found["only_old"]] == [("b", 1), ("d", 1)]
    assert [(each["model"], each["threads"]) for each in found["only_new"]] == [("b", 2), ("e", 1)]
    failed = copy.deepcopy(OLD)
    failed["results"][0].update(median_ms=None, low_ms=None, high_ms=None)
    assert verdicts(OLD, failed)[0] == "unmeasured"
    versions = compare(OLD, document(row("a", 1.0), versions={"numpy": "2.1"}))["machine"]
    assert versions == {"numpy": ["2.0", "2.1"]}


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", "{}", '{"results": []}', '{"results": [{"model": "a"}], "machine": {}}', '{"results": 3}'],
)
def test_other_files_are_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is not a file of 'bench --out'") as raised:
        read(path)
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="cannot read"):
        read(tmp_path / "none.json")
    path.write_text(json.dumps(OLD))
    assert read(path) == OLD

"""The peaks that are kept: when they are measured again, which of two counts, and who saves them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pocketvision.errors import InputError
from pocketvision.guidelines import guidelines, run
from pocketvision.measure import machine_peaks
from pocketvision.measure.machine import machine
from pocketvision.measure.machine_peaks import _better, fingerprint, float32_peak, measured_machine, with_peaks
from pocketvision.measure.worker import Worker

MB, GB = 1 << 20, 1 << 30
HERE: dict[str, Any] = {"cores": 4, "memory": 8 * GB, "versions": {}, "time": "before the measurement"}
FOUND: dict[str, Any] = {
    "fma_gflops": 100.0,
    "fma_source": "numpy's float32 matrix product",
    "int8_gops": None,
    "int8_source": "MatMulInteger in onnxruntime: NotImplemented",
    "bandwidth": {
        "L2": {"bytes": 512 << 10, "room": MB, "read": 90.0, "copy": 95.5},
        "L3": {"bytes": None, "room": None, "read": None, "copy": None, "reason": "the system does not tell of an L3"},
        "DRAM": {"bytes": 64 * MB, "room": None, "read": 20.0, "copy": 18.0},
    },
    "time": "2026-01-01T00:00:00+00:00",
    "load": [0.0, 0.0, 0.0],
}


@dataclass
class Pretended:
    """A machine that is not measured: what would be found, how busy others are, and the thread counts asked for."""

    found: dict[str, Any] = field(default_factory=lambda: FOUND)
    busy: float | None = 0.0
    calls: list[int] = field(default_factory=list)

    def measure(self, threads: int, here: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(threads)
        return self.found


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pretended:
    """An empty cache folder; nothing is ever measured."""
    made = Pretended()
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine_peaks, "_measure", made.measure)
    monkeypatch.setattr(machine_peaks, "busy_cores", lambda: made.busy)
    return made


def peak(threads: int = 1, **more: Any) -> float:
    """What `with_peaks` says of float32."""
    found: float = with_peaks(HERE, [threads], **more)["peaks"][str(threads)]["fma_gflops"]
    return found


# The cache folder


def test_the_machine_is_measured_once(pretended: Pretended, tmp_path: Path) -> None:
    cores = machine()["cores"]
    found = measured_machine()
    assert pretended.calls == list(dict.fromkeys((1, cores))) == [int(key) for key in found["peaks"]]
    assert measured_machine([1])["peaks"] == found["peaks"]
    assert found["cpu"] == machine()["cpu"] and len(pretended.calls) == len(found["peaks"])
    measured_machine([1], fresh=True)
    assert pretended.calls[-1] == 1
    (kept,) = (tmp_path / "cache" / "machines").glob("*.json")
    content = json.loads(kept.read_text())
    assert content["peaks"]["1"]["time"] == FOUND["time"]
    for damaged in ("{}", "[", json.dumps(content | {"format_version": 1})):
        pretended.calls.clear()
        kept.write_text(damaged)
        measured_machine([1])
        assert pretended.calls == [1]


def test_threads_that_the_machine_has_not(pretended: Pretended) -> None:
    for threads in (0, machine()["cores"] + 1):
        with pytest.raises(InputError, match=f"cannot (measure|use) {threads} threads"):
            measured_machine([threads])
    assert pretended.calls == []


def test_a_cache_that_cannot_be_written_costs_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "file"))
    assert FOUND.items() <= measured_machine([1])["peaks"]["1"].items()


def test_another_machine_has_another_name(pretended: Pretended) -> None:
    here = machine()
    assert fingerprint(here) == fingerprint({**here, "load": [9.0], "time": "", "memory": (here["memory"] or 0) + 4096})
    assert fingerprint(here) != fingerprint({**here, "cpu": "another"})
    assert fingerprint(here) != fingerprint({**here, "versions": {**here["versions"], "numpy": "1.0"}})
    with_peaks(HERE, [1])
    with_peaks({**HERE, "cpu": "another"}, [1])
    assert pretended.calls == [1, 1]


def test_no_thread_and_more_than_there_are_mean_all_cores(pretended: Pretended) -> None:
    found = with_peaks(HERE, [0, 9, 2, 4, 2])
    assert pretended.calls == [4, 2] and list(found["peaks"]) == ["2", "4"]
    assert found["time"] == HERE["time"] and "peaks" not in HERE  # what was said before the measurement stays
    assert list(with_peaks(HERE, [1])["peaks"]) == ["1", "2", "4"]  # with those that were measured before


# Measured again


def test_what_reached_more_than_the_peak_has_it_measured_again_once(pretended: Pretended) -> None:
    peak()
    for reached, measured in ((102.0, 1), (110.0, 2), (110.0, 2), (112.0, 2), (130.0, 3), (110.0, 3)):
        assert peak(reached={1: reached}) == 100
        assert len(pretended.calls) == measured, reached
    with_peaks(HERE, [1], reached={2: 999.0})  # on other threads
    assert len(pretended.calls) == 3
    with_peaks(HERE, [0], reached={0: 999.0})  # 0 is all cores, here as there
    with_peaks(HERE, [4], reached={4: 999.0})
    assert pretended.calls[3:] == [4]


def test_a_record_is_remembered_over_a_measurement_for_another_reason(pretended: Pretended) -> None:
    pretended.busy = 1.0
    peak(reached={1: 150.0})
    pretended.busy = 0.0
    peak()
    assert pretended.calls == [1, 1]
    peak(reached={1: 150.0})
    assert pretended.calls == [1, 1]


def test_what_was_measured_beside_others_is_measured_again_when_they_are_done(pretended: Pretended) -> None:
    pretended.busy = 1.5
    pretended.found = FOUND | {"fma_gflops": 60.0}
    assert peak() == 60
    pretended.found = FOUND
    assert peak() == 60 and pretended.calls == [1]  # still busy
    pretended.busy = 0.1
    assert peak() == 100 and pretended.calls == [1, 1]
    pretended.busy = None  # a system that does not tell
    assert peak() == 100 and pretended.calls == [1, 1]


def test_the_better_of_two_measurements_counts_unless_it_is_to_be_fresh(pretended: Pretended) -> None:
    peak()
    pretended.found = FOUND | {"fma_gflops": 80.0, "fma_source": "another"}
    assert peak(reached={1: 120.0}) == 100
    pretended.found = FOUND | {"fma_gflops": 117.0, "fma_source": "another"}
    assert peak(reached={1: 140.0}) == 117
    pretended.found = FOUND
    assert peak(fresh=True) == 100


def test_each_figure_is_the_higher_of_two_with_its_source() -> None:
    now = FOUND | {"fma_gflops": 80.0, "fma_source": "slower", "time": "now"}
    now |= {"int8_gops": 200.0, "int8_source": "faster"}
    now["bandwidth"] = {
        "L2": {"bytes": 512 << 10, "room": MB, "read": 70.0, "copy": 99.0},
        "L3": {"bytes": 4 * MB, "room": 8 * MB, "read": 50.0, "copy": 40.0},
        "DRAM": {"bytes": 64 * MB, "room": None, "read": None, "copy": None, "reason": "no process"},
    }
    found = _better(FOUND, now)
    assert (found["fma_gflops"], found["fma_source"]) == (100, FOUND["fma_source"])
    assert (found["int8_gops"], found["int8_source"], found["time"]) == (200, "faster", "now")
    assert found["bandwidth"] == {
        "L2": {"bytes": 512 << 10, "room": MB, "read": 90, "copy": 99},
        "L3": now["bandwidth"]["L3"],
        "DRAM": FOUND["bandwidth"]["DRAM"],  # known, and so without a reason why it is not
    }
    assert _better(now, FOUND)["bandwidth"]["L3"] == FOUND["bandwidth"]["L3"]  # of another working set: not compared
    assert _better(None, now) == now
    unknown = FOUND | {"fma_gflops": None, "fma_source": "no process"}
    assert _better(unknown, unknown)["fma_source"] == "no process"
    assert _better(FOUND, unknown)["fma_gflops"] == _better(unknown, FOUND)["fma_gflops"] == 100


def test_float32_peak_is_the_kept_one(pretended: Pretended) -> None:
    cores = machine()["cores"]
    assert float32_peak(1) == float32_peak(1, reached=101.0) == 100 and pretended.calls == [1]
    pretended.found = FOUND | {"fma_gflops": 130.0}
    assert float32_peak(1, reached=120.0) == 130 and pretended.calls == [1, 1]
    pretended.calls.clear()
    pretended.found = FOUND | {"fma_gflops": None}
    assert [float32_peak(count) for count in (0, cores, cores + 1)] == [130.0 if cores == 1 else None] * 3
    assert set(pretended.calls) <= {cores}


# Who saves them


def test_a_worker_tells_the_machine_with_its_peaks_if_threads_are_given(pretended: Pretended) -> None:
    """What a latency table keeps."""
    worker = Worker()
    assert "peaks" not in worker.handle({"do": "machine"})["machine"] and pretended.calls == []
    told = worker.handle({"do": "machine", "threads": [1]})["machine"]
    assert FOUND.items() <= told["peaks"]["1"].items() and told["cpu"]
    assert worker.handle({"do": "peak", "threads": 1}) == {"gflops": 100.0}


def test_the_guidelines_save_the_machine_with_its_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = SimpleNamespace(name="", title="", note="", columns=(), per_mac=False)
    times = SimpleNamespace(version="1", batches=1, max_error=0.0, wrong={})
    monkeypatch.setattr(run, "EXPERIMENTS", {"nothing": lambda: experiment})
    monkeypatch.setattr(run, "_measured", lambda *_: [times])
    for name in ("claims", "rows", "advice"):
        monkeypatch.setattr(run, name, lambda *_: [])
    assert FOUND.items() <= guidelines("onnxruntime", 1)["machine"]["peaks"]["1"].items()

"""The machine: what the system says of it, and the peaks that are measured on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Ran, command_environment
from pocketvision.errors import InputError
from pocketvision.measure import machine_peaks, peaks
from pocketvision.measure.bandwidth import measure as measure_bandwidth
from pocketvision.measure.caches import caches, frequency
from pocketvision.measure.machine import machine
from pocketvision.measure.machine_peaks import fingerprint, measured_machine, working_sets
from pocketvision.report import machine as words

MB, GB = 1 << 20, 1 << 30

FOUND: dict[str, Any] = {
    "fma_gflops": 100.0,
    "fma_source": "numpy's float32 matrix product",
    "int8_gops": None,
    "int8_source": "MatMulInteger in onnxruntime: NotImplemented",
    "bandwidth": {
        "L2": {"bytes": 512 << 10, "read": 90.0, "copy": 95.5},
        "L3": {"bytes": None, "read": None, "copy": None, "reason": "the system does not tell of an L3"},
        "DRAM": {"bytes": 64 << 20, "read": 20.0, "copy": 18.0},
    },
    "time": "2026-01-01T00:00:00+00:00",
    "load": [0.0, 0.0, 0.0],
}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """An empty cache, and the thread counts for which the machine was measured (it is not)."""
    calls: list[int] = []

    def pretend(threads: int, here: dict[str, Any]) -> dict[str, Any]:
        calls.append(threads)
        return FOUND

    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine_peaks, "_measure", pretend)
    return calls


# What the system says


def test_caches_as_linux_lists_them(tmp_path: Path) -> None:
    listed = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K"), ("3", "Unified", "260M")]
    for number, (level, kind, size) in enumerate(listed):
        index = tmp_path / "cpu0" / "cache" / f"index{number}"
        index.mkdir(parents=True)
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (index / name).write_text(f"{value}\n")
    (tmp_path / "cpu0" / "cache" / "index4").mkdir()  # a kernel that does not say
    if sys.platform != "darwin":
        assert caches(0, tmp_path) == {"L1d": 48 << 10, "L1i": 32 << 10, "L2": 2 * MB, "L3": 260 * MB}
        assert caches(1, tmp_path) == {}


def test_clock_as_linux_says_it(tmp_path: Path) -> None:
    (tmp_path / "cpu0" / "cpufreq").mkdir(parents=True)
    (tmp_path / "cpu0" / "cpufreq" / "scaling_cur_freq").write_text("1800000\n")
    (tmp_path / "cpu0" / "cpufreq" / "scaling_max_freq").write_text("2400000\n")
    assert frequency(0, tmp_path) == {"now": 1800, "highest": 2400}
    assert frequency(1, tmp_path) == {}


def test_machine_has_caches_and_clock() -> None:
    found = machine()
    assert found["caches"] == caches() and set(found["frequency"]) <= {"now", "lowest", "highest"}


# Peaks


@pytest.mark.parametrize(
    ("sizes", "memory", "threads", "expected"),
    [
        # A core's own half of L2; half of L3 shared by the threads; four times the last cache.
        ({"L2": MB, "L3": 32 * MB}, 24 * GB, 1, {"L2": MB // 2, "L3": 16 * MB, "DRAM": 128 * MB}),
        ({"L2": MB, "L3": 32 * MB}, 24 * GB, 2, {"L2": MB // 2, "L3": 8 * MB, "DRAM": 64 * MB}),
        ({"L2": 2 * MB, "L3": 32 * MB}, 64 * GB, 8, {"L2": MB, "DRAM": 64 * MB}),  # 2 MB of L3 each: no more than L2
        ({"L2": MB // 2}, 1 * GB, 4, {"L2": MB // 4, "DRAM": 64 * MB}),  # a small board without L3
        ({}, None, 1, {"DRAM": 128 * MB}),
        ({"L2": MB, "L3": 512 * MB}, 1 * GB, 1, {"L2": MB // 2, "L3": 256 * MB}),  # nothing would lie outside
    ],
)
def test_working_sets_lie_where_they_should(
    sizes: dict[str, int], memory: int | None, threads: int, expected: dict[str, int]
) -> None:
    assert working_sets(sizes, memory, threads) == expected


def test_the_written_onnx_files_say_what_they_should() -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (5, 5), dtype=np.uint8), rng.integers(-64, 64, (5, 5), dtype=np.int8)
    types = (peaks.UINT8, peaks.INT8, peaks.INT32)
    file = peaks.product_model("MatMulInteger", 5, types, right.tobytes())
    onnx.checker.check_model(onnx.load_from_string(file), full_check=True)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(None, {"a": left})[0], left.astype(np.int32) @ right)
    assert peaks.varint(300) == b"\xac\x02"  # the example of the format's documentation


def test_a_product_that_cannot_be_measured_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "SECONDS", 0.0)
    monkeypatch.setattr(peaks, "SIDES", (64,))
    found = peaks.measure(1)
    assert all(isinstance(value, float) and value > 0 for value in found.values())
    monkeypatch.setattr(peaks, "INT8", 99)
    found = peaks.measure(1)
    assert isinstance(found["float32"], float)
    assert str(found["int8"]).startswith("MatMulInteger in onnxruntime: ") and "\n" not in str(found["int8"])


def test_bandwidth_of_two_working_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketvision.measure.bandwidth.SECONDS", 0.01)
    found = measure_bandwidth(0.0, {"L2": 1 << 18, "DRAM": 1 << 22})
    assert list(found) == ["L2", "DRAM"]
    assert all(0.01 < rate < 100_000 for rates in found.values() for rate in (rates["read"], rates["copy"]))


def test_the_machine_is_measured_once(counted: list[int], tmp_path: Path) -> None:
    cores = machine()["cores"]
    found = measured_machine()
    assert counted == list(dict.fromkeys((1, cores))) == [int(key) for key in found["peaks"]]
    assert measured_machine([1])["peaks"] == found["peaks"]
    assert found["cpu"] == machine()["cpu"] and len(counted) == len(found["peaks"])
    measured_machine([1], fresh=True)
    assert counted[-1] == 1
    (kept,) = (tmp_path / "cache" / "machines").glob("*.json")
    assert json.loads(kept.read_text())["peaks"]["1"]["time"] == FOUND["time"]
    kept.write_text("{}")  # damaged: measured again
    measured_machine([1])
    assert counted[-2:] == [1, 1]


def test_threads_that_the_machine_has_not(counted: list[int]) -> None:
    for threads in (0, machine()["cores"] + 1):
        with pytest.raises(InputError, match=f"cannot measure {threads} threads"):
            measured_machine([threads])
    assert counted == []


def test_a_cache_that_cannot_be_written_costs_nothing_else(
    counted: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "file"))
    assert measured_machine([1])["peaks"]["1"] == FOUND


def test_another_machine_has_another_name() -> None:
    here = machine()
    assert fingerprint(here) == fingerprint({**here, "load": [9.0], "time": "", "memory": (here["memory"] or 0) + 4096})
    assert fingerprint(here) != fingerprint({**here, "cpu": "another"})
    assert fingerprint(here) != fingerprint({**here, "versions": {**here["versions"], "numpy": "1.0"}})


def test_measuring_needs_no_torch() -> None:
    code = "import sys, pocketvision.measure.machine_peaks, pocketvision.commands.machine as c; " \
           "from pocketvision.report import columns, machine; assert 'torch' not in sys.modules"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=command_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# In words


def test_peaks_and_facts_as_people_read_them() -> None:
    here = {"cpu": "X", "cores": 4, "architecture": "aarch64", "instructions": ["asimd", "asimddp"], "memory": 8 * GB,
            "caches": {"L1d": 32 << 10, "L2": MB}, "governor": None, "load": [0.5, 0.25, 0.0],
            "peaks": {"1": FOUND, "4": FOUND}}  # fmt: skip
    facts = {row["what"]: row["is"] for row in words.facts(here)}
    assert facts["vector units"] == "NEON, int8 dot products (dotprod)"
    assert facts["caches"] == "L1d 32 KiB, L2 1 MiB" and facts["memory"] == "8 GiB"
    assert "governor" not in facts and "clock" not in facts
    rows = {row["what"]: row for row in words.peaks(here)}
    assert rows["float32"]["1"] == rows["float32"]["4"] == "100 GFLOP/s"
    assert rows["int8"]["1"] == "–" and rows["int8"]["source"].startswith("MatMulInteger")
    assert rows["L2 copy"]["1"] == "95.5 GB/s" and rows["L3 read"]["source"] == "the system does not tell of an L3"
    assert words.facts({}) == words.peaks({}) == []


def test_the_command(run_cli: Callable[..., Ran], tmp_path: Path) -> None:
    status, stdout, stderr = run_cli("machine", "--json", "--out", tmp_path / "sub" / "machine.json")
    assert status == 0, stderr
    found = json.loads(stdout)
    assert json.loads((tmp_path / "sub" / "machine.json").read_text()) == found
    assert found["cores"] >= 1 and found["versions"]["numpy"] == np.__version__
    first = found["peaks"]["1"]
    assert 0.1 < first["fma_gflops"] < 100_000 and first["fma_source"]
    assert first["int8_gops"] is None or first["int8_gops"] > 0.1
    for level in ("L2", "L3", "DRAM"):
        rates = first["bandwidth"][level]
        assert rates["read"] is None and rates["reason"] or rates["read"] > 0.1 and rates["copy"] > 0.1

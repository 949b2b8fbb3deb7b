"""The machine: what the system says of it, and the peaks that are measured on it. No rate is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import Ran, command_environment
from pocketvision.measure import bandwidth, caches, machine_peaks, memory_rates, peaks
from pocketvision.measure.machine import machine
from pocketvision.measure.memory_rates import NO_PROCESS, best_slot, working_sets
from pocketvision.measure.pin import pinned
from pocketvision.report import machine as words
from test_machine_peaks import FOUND, HERE

MB, GB = 1 << 20, 1 << 30


# What the system says


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "sys", SimpleNamespace(platform="linux"))


def list_caches(folder: Path, cpu: int, *listed: tuple[str, str, str, str | None]) -> None:
    """Write level, type, size and shared_cpu_list of each cache as Linux does."""
    for number, told in enumerate(listed):
        index = folder / f"cpu{cpu}" / "cache" / f"index{number}"
        index.mkdir(parents=True)
        for name, value in zip(("level", "type", "size", "shared_cpu_list"), told, strict=True):
            if value is not None:
                (index / name).write_text(f"{value}\n")


def test_caches_as_linux_lists_them(linux: None, tmp_path: Path) -> None:
    listed = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2048K"), ("3", "Unified", "260M")]
    list_caches(tmp_path, 0, *((*each, None) for each in listed))
    (tmp_path / "cpu0" / "cache" / "index4").mkdir()  # a kernel that does not say
    assert caches.caches(0, tmp_path) == {"L1d": 48 << 10, "L1i": 32 << 10, "L2": 2 * MB, "L3": 260 * MB}
    assert caches.caches(1, tmp_path) == {}


def test_an_l2_that_several_share_counts_once(linux: None, tmp_path: Path) -> None:
    for cpu in range(4):
        pair = "0-1" if cpu < 2 else "2-3"
        list_caches(
            tmp_path, cpu, ("1", "Data", "32K", str(cpu)), ("2", "Unified", "1M", pair), ("3", "Unified", "8M", "0-3")
        )
    assert caches.together([0], 1, tmp_path) == {"L2": MB, "L3": 8 * MB}
    assert caches.together([0, 1], 2, tmp_path) == {"L2": MB, "L3": 8 * MB}
    assert caches.together([1, 2], 2, tmp_path) == {"L2": 2 * MB, "L3": 8 * MB}
    assert caches.together(range(4), 4, tmp_path) == {"L2": 2 * MB, "L3": 8 * MB}


def test_without_a_word_on_sharing_each_core_has_its_l2_and_all_one_l3(linux: None, tmp_path: Path) -> None:
    for cpu in range(2):
        list_caches(tmp_path, cpu, ("2", "Unified", "512K", None), ("3", "Unified", "4M", ""))
    assert caches.together([0, 1], 2, tmp_path) == {"L2": MB, "L3": 4 * MB}
    assert caches.together([7], 1, tmp_path) == caches.together([], 2, tmp_path) == {}


def test_macos_says_how_many_share_an_l2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {caches.SYSCTL["L2"]: 12 * MB, caches.CPUS_PER_L2: 4}
    monkeypatch.setattr(caches, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(caches, "_sysctl", lambda key: told.get(key, 0))
    assert [caches.together((), threads)["L2"] for threads in (1, 4, 5)] == [12 * MB, 12 * MB, 24 * MB]
    assert caches.caches() == {"L2": 12 * MB}
    told.clear()
    assert caches.together((), 4) == caches.caches() == {}


def test_the_cpu_that_is_described_is_one_that_is_timed(
    linux: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[set[int], int]] = []

    def choose(cpus: set[int], threads: int) -> list[int]:
        asked.append((cpus, threads))
        return [5]

    monkeypatch.setattr(caches, "choose", choose)
    monkeypatch.setattr(caches, "os", SimpleNamespace(sched_getaffinity=lambda process: {0, 5}))
    caches.timed_cpu.cache_clear()
    try:
        list_caches(tmp_path, 0, ("2", "Unified", "128K", None))
        list_caches(tmp_path, 5, ("2", "Unified", "2M", None))
        (tmp_path / "cpu5" / "cpufreq").mkdir()
        (tmp_path / "cpu5" / "cpufreq" / "scaling_cur_freq").write_text("2400000\n")
        assert caches.timed_cpu() == 5
        assert caches.caches(folder=tmp_path) == {"L2": 2 * MB} and caches.frequency(folder=tmp_path) == {"now": 2400}
        assert asked == [({0, 5}, 1)]  # asked once, so that one process says one thing
        caches.timed_cpu.cache_clear()
        monkeypatch.setattr(caches, "os", SimpleNamespace())
        assert caches.timed_cpu() == 0
    finally:
        caches.timed_cpu.cache_clear()


def test_clock_as_linux_says_it(tmp_path: Path) -> None:
    (tmp_path / "cpu0" / "cpufreq").mkdir(parents=True)
    (tmp_path / "cpu0" / "cpufreq" / "scaling_cur_freq").write_text("1800000\n")
    (tmp_path / "cpu0" / "cpufreq" / "scaling_max_freq").write_text("2400000\n")
    assert caches.frequency(0, tmp_path) == {"now": 1800, "highest": 2400}
    assert caches.frequency(1, tmp_path) == {}


def test_machine_has_caches_and_clock() -> None:
    found = machine()
    assert found["caches"] == caches.caches() and set(found["frequency"]) <= {"now", "lowest", "highest"}


# Memory


@pytest.mark.parametrize(
    ("room", "memory", "threads", "expected"),
    [
        # Half of what each thread has of L2 and of L3; four times the last cache.
        ({"L2": MB, "L3": 32 * MB}, 24 * GB, 1, {"L2": MB // 2, "L3": 16 * MB, "DRAM": 128 * MB}),
        ({"L2": 2 * MB, "L3": 32 * MB}, 24 * GB, 2, {"L2": MB // 2, "L3": 8 * MB, "DRAM": 64 * MB}),
        ({"L2": MB, "L3": 32 * MB}, 24 * GB, 2, {"L2": MB // 4, "L3": 8 * MB, "DRAM": 64 * MB}),  # one L2 for both
        ({"L2": 16 * MB, "L3": 32 * MB}, 64 * GB, 8, {"L2": MB, "DRAM": 64 * MB}),  # 4 MB of L3 each: no more than L2
        ({"L2": MB}, 1 * GB, 4, {"L2": MB // 8, "DRAM": 64 * MB}),  # a small board without L3
        ({}, None, 1, {"DRAM": 128 * MB}),
        ({"L2": MB, "L3": 512 * MB}, 1 * GB, 1, {"L2": MB // 2, "L3": 256 * MB}),  # nothing would lie outside
    ],
)
def test_working_sets_lie_where_they_should(
    room: dict[str, int], memory: int | None, threads: int, expected: dict[str, int]
) -> None:
    assert working_sets(room, memory, threads) == expected


def test_processes_are_added_slot_by_slot() -> None:
    """Each has its best moment at another time: together they never had 10 + 8."""
    slot = memory_rates.SLOT * 1e9
    assert best_slot([[10, 1, 4], [1, 8, 7]]) == pytest.approx(11 / slot)
    assert best_slot([[3, 5]]) == pytest.approx(5 / slot)
    assert best_slot([[0, 0], [0, 0]]) is None
    with pytest.raises(ValueError, match="zip"):
        best_slot([[1, 2], [1]])


def test_what_lies_in_two_slots_counts_in_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def call(piece: bandwidth.Piece) -> None:
        now[0] += 0.75

    monkeypatch.setattr(bandwidth, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(bandwidth, "SLOT", 1.0)
    monkeypatch.setattr(bandwidth, "SLOTS", 4)
    over = bandwidth.pieces(np.ones(1024, np.float32), 4096)
    assert bandwidth.moved(call, over, 0.0) == [4096, 0, 0, 4096]
    now[0] = 9.0
    assert bandwidth.moved(call, over, 0.0) == [0, 0, 0, 0]  # who is late has moved nothing


@pytest.mark.parametrize("size", [4096, 3 * bandwidth.PIECE])
def test_pieces_go_once_over_the_working_set(size: int) -> None:
    memory = np.zeros(size // 4 + 100, np.float32)
    for streams in bandwidth.pieces(memory, size):
        for stream in streams:
            stream += 1
    assert np.all(memory[: size // 4] == 1) and not memory[size // 4 :].any()


def test_bandwidth_of_two_working_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "SLOTS", 3)
    monkeypatch.setattr(bandwidth, "PAUSE", 0.0)
    memory = np.ones(1 << 20, np.float32)
    found = bandwidth.measure(memory, {"L2": 1 << 18, "DRAM": 1 << 22}, bandwidth.time.perf_counter())
    assert list(found) == ["L2", "DRAM"]
    for rates in found.values():
        assert len(rates["read"]) == 6 and len(rates["copy"]) == 3  # reading has two ways
        assert all(number % (1 << 18) == 0 for number in rates["read"]) and any(rates["read"])


def test_processes_take_their_turns_together_and_a_failure_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    each = memory_rates._run({"L2": 1 << 16}, 2, ())
    assert [len(moved["L2"]["copy"]) for moved in each] == [bandwidth.SLOTS] * 2
    assert memory_rates._run({}, 1, ()) == []
    assert "ValueError" in capfd.readouterr().err


def test_a_rate_that_is_not_known_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = {"read": [10**9, 2 * 10**9], "copy": [10**9, 0]}
    monkeypatch.setattr(memory_rates, "together", lambda cpus, threads: {"L2": 2 * MB})
    monkeypatch.setattr(memory_rates, "_run", lambda sets, threads, cpus: [dict.fromkeys(sets, slots)] * threads)
    found = memory_rates.bandwidth(2, 8 * GB)
    assert found["L2"] == {"bytes": MB // 2, "room": 2 * MB, "read": pytest.approx(200), "copy": pytest.approx(100)}
    assert found["L3"]["read"] is None and "does not tell of an L3 that has room for 2" in found["L3"]["reason"]
    assert "too little memory" in memory_rates.bandwidth(2, MB)["DRAM"]["reason"]
    monkeypatch.setattr(memory_rates, "_run", lambda sets, threads, cpus: [])
    found = memory_rates.bandwidth(2, 8 * GB)
    assert found["L2"]["read"] is None and found["DRAM"]["reason"] == found["L2"]["reason"] == NO_PROCESS


# Products


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


@pytest.mark.parametrize(
    ("numpy", "onnxruntime", "best", "source"),
    [(90.0, 95.0, 95.0, "onnxruntime"), (90.0, "no", 90.0, "numpy"), (None, "no", None, None)],
)
def test_the_faster_product_is_the_peak(
    numpy: float | None, onnxruntime: float | str, best: float | None, source: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(machine_peaks, "sgemm_gflops", lambda threads: numpy)
    monkeypatch.setattr(machine_peaks, "_products", lambda threads: {"float32": onnxruntime, "int8": "no such product"})
    monkeypatch.setattr(machine_peaks, "bandwidth", lambda threads, memory: {"of": (threads, memory)})
    entry = machine_peaks._measure(3, HERE)
    assert entry["fma_gflops"] == best and entry["fma_source"] == machine_peaks.SOURCES.get(str(source), NO_PROCESS)
    assert entry["int8_gops"] is None and entry["int8_source"] == "no such product"
    assert entry["bandwidth"] == {"of": (3, 8 * GB)}


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


def test_what_differs_between_thread_counts_is_told_of_each() -> None:
    levels = FOUND["bandwidth"]
    other = FOUND | {"fma_source": "ONNX Runtime", "int8_source": "its product"}
    other["bandwidth"] = levels | {"L3": {"bytes": 4 * MB, "room": 8 * MB, "read": 50.0, "copy": 40.0}}
    rows = {row["what"]: row["source"] for row in words.peaks({"peaks": {"1": FOUND, "2": other, "4": other}})}
    assert rows["float32"] == "numpy's float32 matrix product (1 thread), ONNX Runtime (2, 4 threads)"
    assert rows["L2 read"] == "512 KiB for each thread"
    assert rows["L3 copy"] == "the system does not tell of an L3 (1 thread), 4 MiB for each thread (2, 4 threads)"
    nothing = FOUND | {"bandwidth": levels | {"L2": levels["L2"] | {"bytes": None}}}
    rows = {row["what"]: row["source"] for row in words.peaks({"peaks": {"1": nothing, "2": FOUND}})}
    assert rows["L2 read"] == "512 KiB for each thread (2 threads)"
    assert {row["what"]: row["source"] for row in words.peaks({"peaks": {"1": nothing}})}["L2 read"] is None


def test_the_command(run_cli: Callable[..., Ran], tmp_path: Path) -> None:
    """The one real measurement of this file, on one thread: the command may use one CPU only."""
    with pinned(1):
        status, stdout, stderr = run_cli("machine", "--json", "--out", tmp_path / "sub" / "machine.json")
    assert status == 0, stderr
    found = json.loads(stdout)
    assert json.loads((tmp_path / "sub" / "machine.json").read_text()) == found
    assert found["cores"] >= 1 and found["versions"]["numpy"] == np.__version__
    first = found["peaks"]["1"]
    assert isinstance(first["fma_gflops"], float) and first["fma_source"] in machine_peaks.SOURCES.values()
    assert first["int8_source"] and {"time", "load", "busy_cores", "reached"} <= set(first)
    for rates in (first["bandwidth"][level] for level in memory_rates.LEVELS):
        assert rates["reason"] if rates["read"] is None else rates["bytes"] and isinstance(rates["copy"], float)


def test_a_folder_is_no_file_to_write_to(run_cli: Callable[..., Ran], tmp_path: Path) -> None:
    """Said at once: before anything is measured."""
    status, stdout, stderr = run_cli("machine", "--out", tmp_path)
    assert status != 0 and not stdout and f"cannot write {tmp_path}: it is a folder" in " ".join(stderr.split())

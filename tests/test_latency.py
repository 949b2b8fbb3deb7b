"""Timing: order, statistics, pinning, the machine, and the comparison of networks. No duration is asserted."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from pocketvision.blocks import Conv, Separable
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.measure import pin
from pocketvision.measure.bench import bench, bench_report, named
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.latency import Latency, median_interval, summarise, take_rounds, time_interleaved
from pocketvision.measure.machine import machine, sgemm_gflops
from pocketvision.measure.pin import choose, pinned
from pocketvision.network import Network, build
from pocketvision.runtimes import onnxruntime
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.predictor import Exported
from pocketvision.spec import Spec

needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="pinning needs a system with CPU affinity and two CPUs",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only lose by a second thread."""
    with torch_runtime.thread_count(1):
        yield


# time_interleaved


def test_turns_are_interleaved_in_an_order_that_the_seed_decides() -> None:
    def turns(seed: int) -> list[str]:
        log: list[str] = []
        calls = {name: lambda name=name: log.append(name) for name in "abc"}
        found = time_interleaved(calls, rounds=8, seconds=0, warmup=0, seed=seed)
        assert list(found) == ["a", "b", "c"]
        assert {(latency.rounds, latency.calls) for latency in found.values()} == {(8, 8 * 3)}
        assert log[:9] == [*"aaabbbccc"]  # the warm-up: three calls each
        log = log[9:]
        assert len(log) == 8 * 3 * 4  # in each turn one call that is not counted and three that are
        assert all(log[start : start + 4] == [log[start]] * 4 for start in range(0, len(log), 4))
        return log[::4]

    order = turns(seed=1)
    rounds = [order[start : start + 3] for start in range(0, 24, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len({tuple(names) for names in rounds}) > 2
    assert turns(seed=1) == order
    assert turns(seed=2) != order


def test_a_call_that_takes_longer_is_found_slower() -> None:
    calls = {"slow": lambda: time.sleep(0.005), "fast": lambda: time.sleep(0.001)}
    found = time_interleaved(calls, rounds=6, seconds=0.002, warmup=0)
    assert found["slow"].median_ms > found["fast"].median_ms
    assert found["slow"].low_ms > found["fast"].high_ms
    for latency in found.values():
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms
        assert latency.p10_ms <= latency.median_ms <= latency.p90_ms
        assert json.loads(json.dumps(latency.to_json()))["rounds"] == 6


def test_a_short_call_is_repeated_to_fill_its_turn() -> None:
    found = time_interleaved(
        {"short": lambda: None, "long": lambda: time.sleep(0.004)}, rounds=6, seconds=0.004, warmup=0
    )
    assert found["long"].calls == 6 * 3
    assert found["short"].calls > 6 * 30


def test_more_rounds_until_narrow_or_out_of_time() -> None:
    values = iter(range(10**9))

    def unsteady() -> None:
        time.sleep(0.0001 * (1 + next(values) // 4 % 5))

    once = time_interleaved({"a": unsteady}, rounds=6, seconds=0, warmup=0)["a"]
    assert once.rounds == 6
    assert time_interleaved({"a": unsteady}, rounds=6, seconds=0, warmup=0, narrow=1e-9, limit=0)["a"].rounds == 6
    more = time_interleaved({"a": unsteady}, rounds=6, seconds=0, warmup=0, narrow=1e-9, limit=0.5)["a"]
    assert more.rounds > 6
    easy = time_interleaved({"a": unsteady}, rounds=6, seconds=0, warmup=0, narrow=1e9, limit=0.3)["a"]
    assert easy.rounds == 6


def test_garbage_collection_is_off_while_timing_and_on_afterwards() -> None:
    seen = []
    time_interleaved({"a": lambda: seen.append(gc.isenabled())}, rounds=6, seconds=0, warmup=0)
    assert set(seen) == {False}
    assert gc.isenabled()


@needs_affinity
def test_calls_run_pinned_and_everything_is_restored_after_a_failure() -> None:
    before, seen = os.sched_getaffinity(0), []

    def fail() -> None:
        seen.append(len(os.sched_getaffinity(0)))
        if len(seen) == 5:
            raise RuntimeError("broken call")

    with pytest.raises(RuntimeError, match="broken call"):
        time_interleaved({"a": fail}, threads=1, rounds=6, seconds=0, warmup=0)
    assert set(seen) == {1}
    assert os.sched_getaffinity(0) == before
    assert gc.isenabled()


def test_too_few_rounds_for_an_interval() -> None:
    with pytest.raises(InputError, match="at least 6"):
        time_interleaved({"a": lambda: None}, rounds=5)


def test_an_input_error_of_a_call_is_not_lost() -> None:
    calls = {"good": lambda: None, "bad": Mock(side_effect=[0] * 20 + [InputError("closed")])}
    with pytest.raises(InputError, match="closed"):
        take_rounds(calls, rounds=8, seconds=0, warmup=0)


# Statistics


@pytest.mark.parametrize(("n", "k"), [(6, 1), (8, 1), (9, 2), (15, 4), (20, 6), (25, 8), (31, 10)])
def test_interval_has_the_published_ranks(n: int, k: int) -> None:
    """The ranks of the usual table of distribution-free 95 % intervals for a median (Conover, table A3, p = 0.5)."""
    low, high = median_interval([float(value) for value in np.random.default_rng(n).permutation(n) + 1])
    assert (low, high) == (k, n + 1 - k)


def test_interval_covers_the_median_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).exponential(size=(2000, 15))
    intervals = [median_interval(list(draw)) for draw in draws]
    covered = np.mean([low <= np.log(2) <= high for low, high in intervals])
    assert 0.95 < covered < 0.98  # 1 - 2 P(B < 4) is 0.965


def test_summary_weighs_rounds_alike() -> None:
    rounds = [[TimedCall(x) for x in turn] for turn in [[0.001, 0.001, 0.009]] * 7 + [[0.005, 0.005, 0.005]] * 3]
    found = summarise(rounds)
    assert (found.median_ms, found.rounds, found.calls) == (1, 10, 30)
    assert (found.low_ms, found.high_ms) == (1, 5)  # ranks 2 and 9 of seven ones and three fives
    assert found.p10_ms == 1
    assert found.p90_ms == pytest.approx(9)


# Pinning


@needs_affinity
def test_pinned_restores_and_nests() -> None:
    before = os.sched_getaffinity(0)
    with pinned(1) as cpus:
        assert os.sched_getaffinity(0) == set(cpus) and len(cpus) == 1
        with pinned(1) as inner:
            assert inner == cpus
    assert os.sched_getaffinity(0) == before
    for threads in (0, len(before), 1000):
        with pinned(threads):
            assert os.sched_getaffinity(0) == before


def test_choice_of_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two little cores 0 and 1, two big ones with two hardware threads each: 2+3 and 4+5; 4 and 5 are busy."""
    monkeypatch.setattr(pin, "CPUS", tmp_path)
    for cpu, (capacity, siblings) in enumerate([(300, "0"), (300, "1"), *[(1024, "2-3")] * 2, *[(1024, "4,5")] * 2]):
        (tmp_path / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}" / "cpu_capacity").write_text(f"{capacity}\n")
        (tmp_path / f"cpu{cpu}" / "topology" / "thread_siblings_list").write_text(f"{siblings}\n")
    looks = [{cpu: 0 for cpu in range(6)}, {0: 0, 1: 0, 2: 1, 3: 1, 4: 9, 5: 9}] * 2
    monkeypatch.setattr(pin, "busy_ticks", lambda: looks.pop(0))
    monkeypatch.setattr(pin, "LOOK_SECONDS", 0)
    assert choose({0, 1, 2, 3, 4, 5}, 3) == [2, 4, 3]
    assert choose({0, 1, 4, 5}, 2) == [4, 5]


def test_busy_ticks_leave_out_idling(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(
        "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 4 100 200 8 16 32 0 0\ncpu11 1 0 0 5 5 0 0 0 0 0\nintr 1\n"
    )
    assert pin.busy_ticks(tmp_path / "stat") == {0: 63, 11: 1}
    assert pin.busy_ticks(tmp_path / "none") == {}


# The machine


def test_machine_says_where_it_was_measured() -> None:
    found = json.loads(json.dumps(machine()))
    assert found["cores"] == usable_cores() >= 1
    assert found["cpu"] and found["system"] and found["python"].count(".") == 2
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["time"].endswith("+00:00")


def test_sgemm_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    gflops = sgemm_gflops(1)
    assert gflops is not None and 0.1 < gflops < 10_000
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert sgemm_gflops(1) is None  # measured anew each time: only the file of the peaks remembers


# bench


def tiny(name: str, width: int = 8) -> Network:
    torch.manual_seed(0)
    return build(Spec(name, (Conv(3, width, "relu", 2), Separable(3, width, "relu")), Classifier(3), 16))


QUICK: dict[str, Any] = {"rounds": 6, "seconds": 0.0005}


def test_bench_of_networks_in_two_runtimes() -> None:
    threads = torch.get_num_threads()
    report = bench_report([tiny("a"), tiny("b", 16), tiny("a")], runtime=["onnxruntime", "torch"], **QUICK)
    results = json.loads(json.dumps(report["results"]))
    assert [(result["model"], result["runtime"]) for result in results] == [
        (name, runtime) for name in ("a", "b", "a (2)") for runtime in ("onnxruntime", "torch")
    ]
    for result in results:
        assert {
            "model", "runtime", "threads", "batch", "precision", "median_ms", "p10_ms", "p90_ms",
            "ratio_to_fastest", "fraction_of_peak", "max_error", "version",
        } <= set(result)  # fmt: skip
        assert result["low_ms"] <= result["median_ms"] <= result["high_ms"]
        assert 0 <= result["max_error"] < 1e-5
        peak = 2 * result["macs"] / result["median_ms"] / 1e6 / report["sgemm_gflops"]
        assert result["fraction_of_peak"] == pytest.approx(peak)
        assert (result["threads"], result["batch"], result["precision"]) == (1, 1, "fp32")
    assert 1 in [result["ratio_to_fastest"] for result in results]
    assert report["machine"]["cores"] == usable_cores()
    assert torch.get_num_threads() == threads


def test_bench_of_exported_files_beside_a_network(tmp_path: Path) -> None:
    net = tiny("net")
    path = onnxruntime.convert(net, tmp_path / "net.onnx", macs=1000)
    loaded = Exported(onnxruntime.load(path, threads=1))
    results = bench({"file": path, "loaded": loaded, "network": net}, batch=3, **QUICK)
    assert [(result["model"], result["runtime"], result["batch"]) for result in results] == [
        ("file", "onnxruntime", 3), ("loaded", "onnxruntime", 3), ("network", "onnxruntime", 3),
    ]  # fmt: skip
    assert [result["max_error"] is None for result in results] == [True, True, False]
    assert results[0]["macs"] == 1000 and results[0]["params"] == results[2]["params"]
    assert list(named([path, loaded, net])) == [str(path), f"{path} (2)", "net"]
    assert list(named(path)) == [str(path)]


def test_bench_leaves_affinity_and_network_alone() -> None:
    net = tiny("net").train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    bench([net], **QUICK)
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert cpus is None or os.sched_getaffinity(0) == cpus


def test_bench_says_what_is_wrong(tmp_path: Path) -> None:
    path = onnxruntime.convert(tiny("net"), tmp_path / "net.onnx")
    (tmp_path / "model.txt").write_text("no network")
    mistakes: list[tuple[tuple[Any, ...], str]] = [
        (([],), "nothing to time"),
        (([tmp_path / "none.onnx"],), "there is no file"),
        (([tmp_path / "model.txt"],), "not an exported file"),
        (([path], "torch"), "runs in onnxruntime, not in torch"),
        (([path], "onnx"), "unknown runtime"),
        (([path], "onnxruntime", 1, 0), "batch of 0"),
        (([path], "onnxruntime", -1), "-1 threads"),
    ]
    for arguments, message in mistakes:
        with pytest.raises(InputError, match=message):
            bench(*arguments)


def test_latency_is_a_value() -> None:
    assert Latency(1, 1, 1, 1, 1, 6, 18) == Latency(1, 1, 1, 1, 1, 6, 18)
    assert [key for key, _ in groupby(Latency(1, 1, 1, 1, 1, 6, 18).to_json())][:3] == ["median_ms", "p10_ms", "p90_ms"]

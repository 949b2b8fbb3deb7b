"""Comparisons over several processes: the worker's words, wrong answers, engines that fail, the packed file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from conftest import ROOT, Ran, command_environment
from pocketvision.blocks import Conv, Separable
from pocketvision.data.image import preprocessing_for
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.measure import device as device_module
from pocketvision.measure import entries, netfile, watch
from pocketvision.measure.bench import bench, bench_report
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.device import Local, open_device
from pocketvision.measure.entries import Entry, named
from pocketvision.measure.outcome import Measured, judge, rows
from pocketvision.measure.turns import calls_of, take_turns
from pocketvision.measure.worker import Worker, random_pixels
from pocketvision.measure.workers import Client, Inline, Workers
from pocketvision.network import Network, build
from pocketvision.runtimes import RUNTIMES, SUFFIXES, is_installed, onnxruntime, packed, torch_folded
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.spec import Spec

QUICK: dict[str, Any] = {"rounds": 6, "seconds": 0.0005}
# ncnn reads grey and colour pixels by functions of its own; the rest is the same graph in all of them
ENGINES = [("openvino", 3), ("litert", 3), ("executorch", 3), ("mnn", 1), ("ncnn", 1), ("ncnn", 3), ("ncnn", 5)]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with torch_runtime.thread_count(1):
        yield


def tiny(name: str = "tiny", channels: int = 3) -> Network:
    torch.manual_seed(0)
    rows = (Conv(3, 8, "relu", 2), Separable(3, 16, "hswish"))
    net = build(Spec(name, rows, Classifier(3), (16, 24), channels))
    net.preprocessing = preprocessing_for((16, 24), channels)
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.normal_(std=1.0)  # answers that can be told apart
    return net


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return onnxruntime.convert(tiny(), tmp_path / "tiny.onnx", macs=1000)


# The worker


def test_the_worker_answers_line_by_line(onnx_file: Path) -> None:
    """In a real process that has no torch."""
    requests: list[dict[str, Any]] = [
        {"do": "open", "runtime": "onnxruntime", "path": str(onnx_file), "threads": 1, "batch": 2, "seed": 3},
        {"do": "warm", "id": 0, "seconds": 0.001, "turn": 0.0},
        {"do": "turn", "id": 0},
        {"do": "open", "runtime": "onnxruntime", "path": str(onnx_file), "threads": 2},
        {"do": "open", "runtime": "onnxruntime", "path": "/nowhere.onnx", "threads": 1},
        {"do": "dance"},
        {"do": "settle_on"},
        {"do": "turn", "id": 7},
        {"do": "runtimes"},
        {"do": "machine"},
        {"do": "conditions"},
        {"do": "close"},
    ]
    code = "import sys; sys.modules['torch'] = None; from pocketvision.measure.worker import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="".join(json.dumps(request) + "\n" for request in requests),
        env=command_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    opened, warm, turn, threads, nowhere, dance, settle, unknown, runtimes, machine, conditions, close = (
        json.loads(line) for line in done.stdout.splitlines()
    )
    runnable = onnxruntime.load(onnx_file, 1)
    expected = runnable.run(random_pixels(runnable.preprocessing, 2, 3))
    np.testing.assert_allclose(np.array(opened["answer"]), expected, atol=1e-6)
    assert (opened["id"], opened["runtime"], opened["macs"]) == (0, "onnxruntime", 1000)
    assert opened["load_ms"] > 0 and opened["params"] == runnable.info["params"]
    assert warm == {}
    calls = calls_of(turn)
    assert len(calls) == 3 and all(0 < call.least <= call.wall for call in calls)
    assert turn["cpus_used"] > 0 and turn["cpu_seconds"] > 0
    assert "one process per thread count" in threads["error"]
    assert "there is no file" in nowhere["error"]
    assert "cannot 'dance'" in dance["error"] and "cannot 'settle_on'" in settle["error"]
    assert "IndexError" in unknown["error"]
    assert "onnxruntime" in runtimes["runtimes"] and "torch" not in runtimes["runtimes"]
    assert machine["machine"]["cpu"] and conditions["spin"] > 0
    assert close == {}


def test_the_worker_ends_with_its_input() -> None:
    device = Local()
    client = Client(device)
    assert "onnxruntime" in client.ask("runtimes")["runtimes"]
    device.close()
    assert client.process.poll() == 0
    with pytest.raises(InputError, match="was closed"):
        client.ask("runtimes")


def test_a_worker_that_dies_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot start /nowhere/python: no such file"):
        Local("/nowhere/python").start()
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho 'something is missing' >&2\nexit 3\n")
    fake.chmod(0o755)
    device = Local(fake)
    with pytest.raises(InputError, match=r"ended early \(something is missing\)") as raised:
        Client(device)
    assert "\n" not in str(raised.value)
    device.close()
    with pytest.raises(InputError, match=r"ended early \(something is missing\)"):
        bench([tiny()], "all", python=fake, **QUICK)
    fake.write_text("#!/bin/sh\necho 'Unknown option: -P\nusage: python [option]' >&2\nexit 2\n")
    with pytest.raises(InputError, match=r"is too old: pocketvision needs Python 3\.11 or newer"):
        device.start()
    device.close()


def test_an_interpreter_that_talks_is_understood_and_one_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\necho "welcome to this wrapper"\nexec {sys.executable} "$@"\n')
    fake.chmod(0o755)
    device = Local(fake)
    assert "onnxruntime" in Client(device).ask("runtimes")["runtimes"]
    device.close()
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(device_module, "START", 0.2)
    with pytest.raises(InputError, match="said nothing for"):
        device.start()
    device.close()


def test_what_an_engine_raises_inside_this_process_is_one_sentence() -> None:
    inline = Inline()
    with pytest.raises(InputError, match="IndexError"):
        inline.ask("turn", id=7)


def test_converters_end_before_the_timing() -> None:
    with Workers() as workers:
        converter = workers.converter(workers.here, "onnxruntime")
        assert isinstance(converter, Client) and "onnxruntime" in converter.ask("runtimes")["runtimes"]
        workers.end_converters()
        assert converter.process.poll() == 0
        assert workers.converter(workers.here, "onnxruntime") is not converter


def test_repeated_names_are_numbered_and_none_is_lost() -> None:
    assert list(named([Path("a (2)"), Path("a"), Path("a")])) == ["a (2)", "a", "a (3)"]
    assert list(named([Path("a"), Path("a"), Path("a")])) == ["a", "a (2)", "a (3)"]


def test_a_worker_inside_this_process_is_unpinned_at_its_end(onnx_file: Path) -> None:
    import gc
    import os

    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    worker = Worker()
    worker.handle({"do": "open", "runtime": "onnxruntime", "path": onnx_file, "threads": 1})
    worker.handle({"do": "warm", "id": 0, "seconds": 0})
    assert not gc.isenabled()
    worker.handle({"do": "close"})
    assert gc.isenabled()
    assert before is None or os.sched_getaffinity(0) == before
    with pytest.raises(InputError, match="closed"):
        worker.handle({"do": "turn", "id": 0})


def test_batches_begin_with_the_same_image() -> None:
    preprocessing = tiny().preprocessing
    one, four = random_pixels(preprocessing, 1, 5), random_pixels(preprocessing, 4, 5)
    assert np.array_equal(one[0], four[0])
    assert one.shape == (1, 16, 24, 3) and four.shape == (4, 16, 24, 3)
    assert np.ptp(one) > 200 and not np.array_equal(one, random_pixels(preprocessing, 1, 6))


# Turns and rows


def test_turns_are_shuffled_and_failures_stand_aside() -> None:
    log: list[str] = []

    def turn(name: str) -> list[TimedCall]:
        log.append(name)
        if name == "c" and log.count("c") == 3:
            raise InputError("c broke")
        return [TimedCall(0.001), TimedCall(0.002), TimedCall(0.003)]

    taken, failed = take_turns({name: lambda name=name: turn(name) for name in "abc"}, rounds=8, seed=1)
    assert failed == {"c": "c broke"}
    assert {name: len(rounds) for name, rounds in taken.items()} == {"a": 8, "b": 8}
    assert log.count("c") == 3
    assert len({tuple(log[start : start + 3]) for start in (0, 3, 6)}) > 1
    with pytest.raises(InputError, match="at least 6"):
        take_turns({}, rounds=5)


def test_an_answer_is_judged_by_the_range_of_the_right_ones() -> None:
    expected = 0.001 + np.linspace(0, 1e-5, 100).reshape(1, 100)  # an untrained network
    assert judge(expected + 1e-9, expected) == (pytest.approx(1e-9), False)
    assert judge(np.full((1, 100), 0.001), expected)[1]  # within 1e-2, and nonsense
    assert judge(expected[:, ::-1], expected)[1]
    assert judge(expected * np.nan, expected) == (np.inf, True)
    assert judge(expected[:, :50], expected)[1]
    trained = np.eye(3)
    assert not judge(trained + 0.005, trained)[1] and judge(trained + 0.02, trained)[1]


def measured(model: str, medians: list[float], threads: int = 1) -> Measured:
    one = Measured(Entry(model, "onnxruntime", None, 10, 1_000_000, {}), threads, 1)
    one.taken = [[TimedCall(seconds)] * 3 for seconds in medians]
    return one


def test_rows_compare_within_threads_and_never_split_a_tie() -> None:
    found = [
        measured("fast", [0.001, 0.0011, 0.0012] * 3),
        measured("alike", [0.0012, 0.0011, 0.00125] * 3),
        measured("slow", [0.002] * 9),
        measured("two threads", [0.0008] * 9, threads=2),
        measured("absent", []),
    ]
    found[-1].error = "no such engine"
    fast, alike, slow, two, absent = rows(found, {1: 100.0, 2: None}, None)
    assert (fast["ratio_to_fastest"], two["ratio_to_fastest"]) == (1, 1)
    assert (fast["tied"], alike["tied"], slow["tied"]) == (True, True, False)
    assert slow["ratio_to_fastest"] == pytest.approx(2 / 1.1)
    assert slow["ratio_low"] < slow["ratio_to_fastest"] < slow["ratio_high"]
    assert slow["fraction_of_peak"] == pytest.approx(2 * 1e6 / 0.002 / 1e9 / 100)
    assert two["fraction_of_peak"] is None
    assert absent["median_ms"] is None and absent["tied"] is None and absent["error"] == "no such engine"
    assert set(absent) == set(fast)


def test_a_ratio_lies_within_its_interval() -> None:
    """The machine slows down for both alike: the medians are of different rounds, the ratios are of the same."""
    pace = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    own = [1.5 * each for each in pace]
    own[4] = 2.2  # the round in which both medians lie
    _, slow = rows([measured("fast", pace), measured("slow", own)], {1: None}, None)
    assert slow["ratio_to_fastest"] == pytest.approx(1.5)
    assert slow["ratio_low"] <= slow["ratio_to_fastest"] <= slow["ratio_high"]


def test_doubts_are_put_into_words() -> None:
    calm = {"busy_cores": 0.0, "spin": 0.001}
    quiet = {"before": calm, "during": {"busy_cores": 0.1}, "after": calm}

    def row(model: str, runtime: str, threads: int, cpus: float | None, **more: Any) -> dict[str, Any]:
        times = {"disturbed": 0.0, "reliable": True, "least_ms": 4.0, "most_ms": 4.1}
        return {"model": model, "runtime": runtime, "threads": threads, "cpus_used": cpus, **times, **more}

    assert (
        watch.warnings(quiet, [row("a", "torch", 2, 1.9), row("a", "mnn", 1, 1.0), row("b", "mnn", 1, None)], 2) == []
    )
    used = [row("a", "torch", 2, 1.0), row("b", "torch", 2, 1.1), row("a", "mnn", 2, 2.0)]
    assert watch.warnings(quiet, used, 2) == ["torch: 2 threads asked for, 1.1 used"]
    assert watch.warnings(quiet, [row("a", "litert", 1, 2.0)], 2) == ["litert: 1 thread asked for, 2.0 used"]
    (many,) = watch.warnings(quiet, [row("a", "onnxruntime", 5, 2.0)], 2)
    assert many.startswith("onnxruntime: 5 threads asked for on 2 cores")
    # Few calls ran undisturbed, and the time was corrected: only what stays unknown is a doubt.
    starved = row("a", "mnn", 1, 0.3, disturbed=0.9)
    assert watch.warnings(quiet, [starved], 2) == []
    (unsure,) = watch.warnings(quiet, [{**starved, "reliable": False, "most_ms": 9.0}], 2)
    assert "a in mnn, 1 thread: could not be measured reliably: between 4 and 9 ms" in unsure
    hot = {"before": {**calm, "busy_cores": 1.5}, "during": {}, "after": {**calm, "spin": 0.0013}}
    busy, slow = watch.warnings(hot, [row("a", "torch", 2, 1.0, disturbed=0.25)], 2)
    assert "1.5 of 2 cores: 25 % of the calls" in busy and "1.30 times slower" in slow
    (untold, _) = watch.warnings(hot, [row("a", "torch", 2, 1.0, disturbed=None)], 2)
    assert "longer and less steady" in untold
    (meanwhile,) = watch.warnings({**quiet, "during": {"busy_cores": 0.8}}, [], 2)
    assert "0.8 of 2 cores" in meanwhile
    unknown = {"busy_cores": None, "spin": None}
    assert watch.warnings({"before": unknown, "during": unknown, "after": {}}, [], 1) == []


def test_own_work_is_not_taken_for_that_of_others() -> None:
    before, after = {"worked": 100.0}, {"worked": 130.0}
    assert watch.busy_between(before, after, 20.0, own=20.0) == pytest.approx(0.5)
    assert watch.busy_between(before, after, 20.0, own=31.0) == 0
    assert watch.busy_between({"worked": None}, after, 20.0, own=0.0) is None
    assert watch.slowdown({"spin": 0.001}, {"spin": 0.002}) == 2 and watch.slowdown({}, {}) == 1
    assert watch.spin(1) > 0


# bench over processes


def test_bench_over_threads_and_batches(tmp_path: Path) -> None:
    report = bench_report([tiny()], ["onnxruntime"], threads=[1, 2], batch=[1, 2], keep=tmp_path, **QUICK)
    found = [(row["threads"], row["batch"], row["ratio_to_fastest"]) for row in report["results"]]
    assert found == [(1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 2, 1)]
    for row in json.loads(json.dumps(report["results"])):
        assert 0 <= row["max_error"] < 1e-5 and row["error"] is None and not row["wrong"] and row["tied"]
        assert row["load_ms"] > 0 and row["cpus_used"] > 0 and row["version"]
    assert set(report) == {"results", "warnings", "machine", "load", "sgemm_gflops", "time"}
    assert set(report["sgemm_gflops"]) == {1, 2}
    (folder,) = tmp_path.iterdir()
    (file,) = folder.iterdir()
    written = file.stat().st_mtime_ns
    bench([tiny()], keep=tmp_path, **QUICK)  # the same weights: the file is used again
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == [written]


def test_bench_runs_torch_in_processes_of_its_own() -> None:
    results = bench([tiny()], ["torch", "torch_folded", "onnxruntime"], **QUICK)
    assert [row["runtime"] for row in results] == ["torch", "torch_folded", "onnxruntime"]
    assert all(row["max_error"] < 1e-5 for row in results)
    assert len({row["version"] for row in results[:2]}) == 1


def test_another_interpreter_runs_what_this_one_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, onnx_file: Path
) -> None:
    """A stand-in runtime that only the other interpreter has: ONNX Runtime under another name."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "elsewhere.py").write_text("")
    (library / "elsewhere_runtime.py").write_text(
        "import elsewhere\nimport shutil\nfrom pocketvision.runtimes.onnxruntime import convert, load\n"
        "def convert_onnx(source, target):\n    return shutil.copy(source, target)\n"
    )
    (library / "sitecustomize.py").write_text(
        "import pocketvision.runtimes as r\n"
        "r.RUNTIMES['elsewhere'] = 'elsewhere_runtime'\nr.LIBRARIES['elsewhere'] = ('elsewhere',)\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{library}:$PYTHONPATH" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setitem(RUNTIMES, "elsewhere", "elsewhere_runtime")
    with pytest.raises(InputError, match="needs elsewhere_runtime, which is not installed"):
        bench([tiny()], ["elsewhere", "onnxruntime"], **QUICK)
    results = bench([tiny()], ["elsewhere", "onnxruntime"], python=python, **QUICK)
    assert [(row["error"], row["wrong"]) for row in results] == [(None, False)] * 2

    # Files: `own` is of this runtime; the ONNX file is converted for it where it says that it reads those.
    monkeypatch.setitem(SUFFIXES, ".own", "elsewhere")
    monkeypatch.setitem(entries.ENDINGS, "elsewhere", ".own")
    own, kept = tmp_path / "tiny.own", tmp_path / "kept"
    shutil.copy(onnx_file, own)
    both = {"onnx": onnx_file, "own": own}
    for runtime in (None, "all", ["elsewhere", "onnxruntime"]):
        results = bench(both, runtime, python=python, **QUICK)
        assert [(row["model"], row["error"]) for row in results] == [("onnx", None), ("own", None)]
    with pytest.raises(InputError, match=r"tiny\.own runs in elsewhere, not in onnxruntime"):
        bench(both, ["onnxruntime"], python=python, **QUICK)
    monkeypatch.setattr(entries, "FROM_ONNX", ("elsewhere",))
    results = bench(both, ["onnxruntime", "elsewhere"], python=python, keep=kept, **QUICK)
    assert [(row["error"], row["wrong"]) for row in results] == [(None, False)] * 3
    assert results[1]["max_error"] == 0 and [path.suffix for path in kept.iterdir()] == [".own"]


def test_an_engine_that_fails_does_not_end_the_comparison(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, onnx_file: Path
) -> None:
    files = {"good": onnx_file, "lost": tmp_path / "lost.onnx"}
    with pytest.raises(InputError, match="there is no file"):
        bench(files, **QUICK)
    net = tiny()
    kept = tmp_path / "kept"
    bench([net], keep=kept, **QUICK)
    (folder,) = kept.iterdir()
    other = tiny()
    with torch.no_grad():
        for layer in other.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(-1)
    onnxruntime.convert(other, folder / "model.onnx")  # what answers differently is not timed
    right, wrong = bench([net], ["torch", "onnxruntime"], keep=kept, **QUICK)
    assert right["error"] is None and right["ratio_to_fastest"] == 1
    assert wrong["wrong"] and wrong["median_ms"] is None and "its answer is wrong" in wrong["error"]
    with pytest.raises(InputError, match="its answer is wrong"):
        bench([net], keep=kept, **QUICK)

    def broken(*_: object) -> Path:
        raise RuntimeError("unsupported\noperator")

    monkeypatch.setattr(onnxruntime, "convert", broken)
    good, bad = bench([net], ["torch", "onnxruntime"], **QUICK)
    assert good["error"] is None
    assert bad["error"].startswith("cannot export tiny for onnxruntime (RuntimeError: unsupported operator)")
    with pytest.raises(InputError, match="cannot export tiny for onnxruntime"):
        bench([net], **QUICK)


def test_somewhere_to_run_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for runtime in ([], ()):
        with pytest.raises(InputError, match="no runtime is named to time in: give one or more of onnxruntime, torch"):
            bench([tiny()], runtime, **QUICK)
    monkeypatch.setattr(Workers, "choose", Mock(side_effect=InputError("it is not installed")))
    with pytest.raises(InputError, match="no runtime is installed on this machine: install one there"):
        bench([tiny()], "all", **QUICK)


def test_devices_are_opened_by_their_address() -> None:
    device = Local()
    assert open_device(device) is device
    assert open_device(None).name == "here"
    assert device.put(Path("a.onnx")) == "a.onnx"


def test_a_network_travels_as_its_model_file(tmp_path: Path) -> None:
    net = tiny()
    again = netfile.load(netfile.save(net, tmp_path))
    assert netfile.digest(again) == netfile.digest(net)
    again.calibration = replace(again.calibration, temperature=1.7)
    assert netfile.digest(again) != netfile.digest(net)
    again = netfile.load(netfile.save(net, tmp_path))
    again.classes = tuple(reversed(net.classes)) if net.classes else ("a", "b", "c")
    assert netfile.digest(again) != netfile.digest(net)
    again = netfile.load(netfile.save(net, tmp_path))
    with torch.no_grad():
        next(again.parameters()).add_(1e-3)
    assert netfile.digest(again) != netfile.digest(net)


# The runtimes


def test_folding_changes_no_answer() -> None:
    net = tiny()
    net.train()(torch.randn(4, 3, 16, 24))
    net.eval()
    images = random_pixels(net.preprocessing, 3)
    folded = torch_folded.load(net, 1)
    np.testing.assert_allclose(folded.run(images), torch_runtime.load(net, 1).run(images), atol=1e-6)
    assert folded.runtime == "torch_folded"
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.shipped.modules())
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in net.modules())


@pytest.mark.parametrize(("runtime", "channels"), ENGINES)
def test_engines_answer_as_pytorch(runtime: str, channels: int, tmp_path: Path) -> None:
    """Where the engine is installed: in a process of its own, for some of them end it."""
    if not is_installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    net = tiny(channels=channels)
    net.classes, net.task = ("ant", "bee", "cat"), "multilabel" if channels == 1 else "classify"
    try:
        results = bench([net], [runtime], batch=[1, 2], **QUICK)
    except InputError as error:
        if "is not installed" in str(error):
            pytest.skip(str(error))
        raise
    for row in results:
        assert row["error"] is None and row["max_error"] < 1e-4 and row["runtime"] == runtime
        assert row["params"] and row["macs"]


def test_packed_files_carry_what_they_need_and_notice_changes(tmp_path: Path) -> None:
    net = tiny()
    path = packed.pack(tmp_path / "a.mnn", packed.describe(net, 7), b"engine", {"more": b"weights"})
    contents = packed.unpack(path)
    assert (contents.body, contents.members) == (b"engine", {"more": b"weights"})
    assert path.read_bytes().startswith(b"engine")
    runnable = packed.loaded(contents.info, lambda images: images, path, 1, "mnn", "1.0")  # type: ignore[arg-type, return-value]
    assert runnable.classes == net.classes and runnable.preprocessing == net.preprocessing
    assert (runnable.task, runnable.info["macs"]) == ("classify", 7)
    data = path.read_bytes()
    for changed, message in (
        (b"motors" + data[6:], "altered"),
        (data[:-10], "damaged"),
        (b"no network", "damaged"),
        (b"", "damaged"),
    ):
        path.write_bytes(changed)
        with pytest.raises(InputError, match=message) as raised:
            packed.unpack(path)
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="there is no file"):
        packed.unpack(tmp_path / "none.mnn")
    with pytest.raises(InputError, match="format version 9"):
        packed.loaded({**contents.info, "format_version": 9}, None, path, 1, "mnn", "1.0")  # type: ignore[arg-type]


def test_no_runtime_reaches_for_the_network_or_installs() -> None:
    """MNN's own tools do both when they are imported."""
    for path in (ROOT / "src" / "pocketvision" / "runtimes").glob("*.py"):
        code = [line for line in path.read_text().splitlines() if line.lstrip().startswith(("import ", "from "))]
        assert not any("MNN.tools" in line for line in code), path


# The command


def test_bench_command(call_cli: Callable[..., Ran], onnx_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    status, stdout, stderr = call_cli("bench", onnx_file, "--threads", "1,2", "--batch", "1", "--out", out, "--json")
    assert status == 0, stderr
    results = json.loads(stdout)
    assert [row["threads"] for row in results] == [1, 2]
    saved = json.loads(out.read_text())
    assert saved["results"] == results and saved["machine"]["cpu"] and saved["time"]
    assert set(saved["machine"]["peaks"]) >= {"1", "2"}
    assert saved["command"].startswith("pocketvision bench") and set(saved["load"]) == {"before", "during", "after"}
    status, stdout, stderr = call_cli("bench", "--compare", out, out)
    assert status == 0 and len(re.findall(r"\bsame *$", stdout, re.MULTILINE)) == 2, stderr
    status, stdout, stderr = call_cli("bench", "--compare", out, out, "--json")
    assert {row["verdict"] for row in json.loads(stdout)["rows"]} == {"same"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to time"),
        (["x.onnx", "--threads", "two"], "--threads two: give 1 or more"),
        (["x.onnx", "--batch", "0"], "--batch 0"),
        (["x.onnx", "--runtime", "opnvino"], "did you mean 'openvino'"),
        (["x.onnx", "--runtime", ","], "no runtime is named"),
        (["x.onnx", "--width", "0.5"], "x.onnx is a file with its own weights, size and classes: leave out --width"),
        (["x.onnx", "--out", "."], "cannot write .: it is a folder"),
        (["x.onnx", "--compare", "a", "b"], "leave out the models"),
        (["--compare", "a.json", "b.json"], "cannot read a.json"),
    ],
)
def test_bench_command_says_what_is_wrong(
    arguments: list[str], message: str, call_cli: Callable[..., Ran], tmp_path: Path
) -> None:
    status, stdout, stderr = call_cli("bench", *arguments, cwd=tmp_path)
    assert (status, stdout) == (2, "")
    assert message in stderr and stderr.count("\n") == 1

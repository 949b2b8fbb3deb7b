"""The main job, from image files to a verified network, through the real command line."""

from __future__ import annotations

import html
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import pocketvision as pv
from conftest import command_environment
from pocketvision.commands.useit import an_image
from pocketvision.fitting.candidates import Candidate, grid, largest_that_fits, lines, predict_ms
from pocketvision.fitting.choose import choose, climbed
from pocketvision.fitting.clock import Look
from pocketvision.fitting.pretrained import Pretrained
from pocketvision.fitting.timer import LONG, SHORT, Timer
from pocketvision.measure.latency import Latency
from pocketvision.models import create_spec
from pocketvision.network import build
from pocketvision.report.useit import use_it
from pocketvision.units import parse_duration
from pocketvision.weights import open_weights


def line_of(family: str, classes: int) -> Pretrained:
    """The line of candidates that weights of the plain network of a family start."""
    return Pretrained.of(open_weights(build(create_spec(family))), classes, 3)


TIME = "8s"
BUDGET = ("--budget", "200ms", "--max-macs", "10M")  # time for anything: what is large only takes longer to measure


def stripes(folder: Path, each: int = 24, side: int = 12) -> Path:
    """Two classes that differ by the direction of their stripes, as PNG files."""
    random = np.random.default_rng(0)
    for label in ("across", "down"):
        (folder / label).mkdir(parents=True)
        for i in range(each):
            wave = 127 + 100 * np.sin(np.arange(side) * random.uniform(1.5, 2.5) + random.uniform(0, 6))
            pixels = np.tile(wave, (side, 1)) + random.normal(0, 10, (side, side))
            pixels = pixels.T if label == "across" else pixels
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / label / f"{i}.png")
    (folder / "down" / "empty.png").write_bytes(b"")  # left out, whatever is done
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripes(tmp_path_factory.mktemp("data") / "stripes")


class Fitted(NamedTuple):
    """A finished run: folder, and report as printed."""

    out: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def killed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was killed when its first epoch was saved."""
    out = tmp_path_factory.mktemp("fit") / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "pocketvision", "fit", str(data), *BUDGET, "--time", TIME, "--out", str(out)],
        env=command_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = out / "state" / "training.safetensors"
    deadline = time.monotonic() + 300
    while not state.exists():
        assert process.poll() is None and time.monotonic() < deadline, "no epoch was finished"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return out


@pytest.fixture(scope="module")
def fitted(data: Path, killed: Path, run_cli) -> Fitted:
    """The same command again: it goes on, and ends as one that was never stopped."""
    assert not (killed / "report.json").exists()
    choice = (killed / "state" / "choice.json").read_text()
    status, stdout, stderr = run_cli("fit", data, *BUDGET, "--time", TIME, "--out", killed, "--json")
    assert status in (0, 1), stderr
    report = json.loads(stdout)
    # Done, with a network that can be used; or not, and standard error says what is missing and what helps.
    ticked, missing = report["verdict"]["tick"], report["verdict"]["missing"]
    assert (status == 0, missing == [], "not usable yet: " not in stderr) == (ticked,) * 3
    assert "going on after epoch" in stderr
    assert (killed / "state" / "choice.json").read_text() == choice  # nothing was timed again
    return Fitted(killed, report)


def test_a_killed_run_goes_on(fitted: Fitted) -> None:
    """From where it was killed (see `fitted`): no epoch is missing, none is there twice."""
    epochs = [row["epoch"] for row in fitted.report["training"]["epochs"]]
    assert epochs == list(range(1, len(epochs) + 1))


def test_fit_writes_what_it_promises(fitted, data: Path) -> None:
    out, report = fitted
    assert report == json.loads((out / "report.json").read_text())
    verdict, check = report["verdict"], report["export_check"]
    assert {"model", "split", "top1", "latency_ms", "budget_ms", "runtime", "threads", "size_bytes"} <= set(verdict)
    held_out, crossed = report["held_out"], verdict["split"].endswith(" folds")
    assert held_out["split"] == "val" and verdict["budget_ms"] == 200 and verdict["runtime"] == "onnxruntime"
    # Ten held-out images say little: where the time allows, all are cross-validated.
    assert verdict["images"] == (48 if crossed else 10) and (crossed or verdict["split"] == "val")
    assert verdict["size_bytes"] == (out / "model.onnx").stat().st_size
    assert check["images"] == held_out["images"] == 10  # a fifth of 48, from each class
    assert check["top1_agreement"] == 1.0 and check["max_abs_error"] < 1e-4
    assert sum(row["chosen"] for row in report["candidates"]) == 1
    assert 0 < sum(row["timed"] for row in report["candidates"]) < len(report["candidates"]) / 2
    assert np.array(report["confusion"]["matrix"]).sum() == verdict["images"]
    took = report["took"]
    assert 0 < sum(took["steps"].values()) < took["seconds"] and {"timing", "training"} <= set(took["steps"])
    assert took["announced"] > 20  # the training at least
    assert report["command"].startswith("pocketvision fit ") and report["machine"]["cores"]
    page = html.unescape((out / "report.html").read_text())
    assert "<html" in page and report["use"] == use_it(out / "model.onnx", an_image(str(data)))
    assert all(f"<pre>{line}</pre>" in page for line in report["use"])
    assert "calibration" not in report and pv.load(out / "model.safetensors").calibration.images == 0  # of 10 images
    learned = held_out["top1"] >= 0.9  # of ten images, 8 right ones could be guessed
    assert ("mistakes" in report, "doubtful" in report) == (learned, learned)
    assert report["profile"]["kinds"]["pointwise"]["ms"] > 0
    assert "data:image" not in json.dumps(report)
    (advice,) = [note for note in report["notes"] if "--folds 5" in note or "networks were trained" in note]
    assert crossed or (advice.startswith("10 held-out images") and "stripes --model mobilenet_v" in advice)
    assert report["doctor"]["images"] == 49 and report["doctor"]["splits"]["train"] == {"across": 24, "down": 24}
    assert [entry["image"] for entry in report["doctor"]["unreadable"]] == ["down/empty.png"]
    splits = json.loads((out / "splits.json").read_text())
    assert splits["classes"] == ["across", "down"]


def test_the_files_answer_alike(fitted, data: Path) -> None:
    out, report = fitted
    network, exported = pv.load(out / "model.safetensors"), pv.load(out / "model.onnx")
    assert network.classes == exported.classes == ("across", "down")
    assert network.metrics["top1"] == report["held_out"]["top1"]
    images = sorted(data.rglob("*.png"))[:8]
    for ours, theirs in zip(network.predict(images), exported.predict(images), strict=True):
        assert np.abs(ours.probabilities - theirs.probabilities).max() < 1e-4


def test_predict_eval_bench_profile_on_the_result(fitted, data: Path, run_cli, call_cli) -> None:
    out, report = fitted
    image = data / "across" / "0.png"
    answers = []
    for name, process in (("model.onnx", run_cli), ("model.safetensors", call_cli)):
        status, stdout, stderr = process("predict", out / name, image, "--json")
        assert status == 0, stderr
        (answer,) = json.loads(stdout)
        assert answer["top"][0]["name"] in ("across", "down")
        answers.append(answer["top"][0]["probability"])
    assert answers[0] == pytest.approx(answers[1], abs=1e-4)
    status, stdout, _ = call_cli("eval", out / "model.onnx", data, "--json")
    found = json.loads(stdout)  # on the images that the run held out, and one that nobody can read
    assert status == 0 and (found["split"], found["images"], found["skipped"]) == ("held out", 10, 1)
    assert found["top1"] == report["verdict"]["top1"]
    status, stdout, _ = call_cli("bench", out / "model.onnx", "--json")
    assert status == 0 and json.loads(stdout)[0]["ratio_to_fastest"] == 1
    status, stdout, _ = call_cli("profile", out / "model.safetensors", "--json")
    assert status == 0 and json.loads(stdout)["params"] == report["verdict"]["params"]


def test_the_same_command_again_does_nothing(fitted, data: Path, call_cli) -> None:
    out, report = fitted
    before = (out / "model.onnx").stat().st_mtime_ns
    arguments = ("fit", data, *BUDGET, "--time", TIME, "--out", out)
    status, stdout, stderr = call_cli(*arguments, "--json")
    assert (status, json.loads(stdout)) == (int(not report["verdict"]["tick"]), report) and "finished" in stderr
    assert (out / "model.onnx").stat().st_mtime_ns == before
    status, _, stderr = call_cli(*arguments, "--budget", "100ms")
    assert status == 2 and "holds a run with other settings (budget differ)" in stderr


def test_a_finished_run_is_timed_again(fitted, data: Path, tmp_path: Path) -> None:
    """As where the machine was too busy to tell: only the measurement changes, and what follows from it."""
    out, report = fitted
    copied = Path(shutil.copytree(out, tmp_path / "run"))
    spoiled = json.loads((copied / "report.json").read_text())
    spoiled["timing"] |= {"least_ms": 1.0, "most_ms": 900.0}
    spoiled["verdict"] |= {"latency_ms": 500.0, "reliable": False, "budget_met": False, "tick": False}
    (copied / "report.json").write_text(json.dumps(spoiled))
    (copied / "report.html").unlink()
    before = (copied / "model.onnx").stat().st_mtime_ns
    how = {"time": TIME, "max_macs": "10M", "out": copied, "show": False}
    again = pv.fit(data, "200ms", **how, retime=True)
    assert again == json.loads((copied / "report.json").read_text()) and (copied / "report.html").is_file()
    verdict, timing = again["verdict"], again["timing"]
    assert timing != report["timing"] and verdict["latency_ms"] == timing["median_ms"] < 200
    assert timing["most_ms"] < 900 and verdict["latency_between_ms"] == [timing["least_ms"], timing["most_ms"]]
    assert verdict["tick"] == (verdict["missing"] == []) and again["judged"] == report["judged"]
    assert not any("reliably" in said or "budget" in said for said in verdict["missing"])
    assert (copied / "model.onnx").stat().st_mtime_ns == before
    with pytest.raises(pv.InputError, match="leave out --fresh"):
        pv.fit(data, "200ms", **how, retime=True, fresh=True)
    (copied / "model.onnx").unlink()
    with pytest.raises(pv.InputError, match="model.onnx is gone"):
        pv.fit(data, "200ms", **how, retime=True)
    with pytest.raises(pv.InputError, match="holds no finished run to time again"):
        pv.fit(data, "200ms", **{**how, "out": tmp_path / "other"}, retime=True)
    assert not (tmp_path / "other").exists()


def test_nothing_fits(data: Path, call_cli, tmp_path: Path) -> None:
    out = tmp_path / "run"
    status, stdout, stderr = call_cli("fit", data, "--budget", "0.001ms", "--max-macs", "2M", "--out", out)
    assert status == 2 and stdout == ""
    error = stderr.strip().splitlines()[-1]
    assert error.startswith("error: nothing fits 0.001 ms") and "needs" in error
    assert not out.exists()  # the same folder is free for the next budget


def test_pretrained_weights_come_first(data: Path, shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "mobilenet_v2-b0353104.pth"
    report = pv.fit(data, "300ms", time="4s", max_macs="7M", pretrained=weights, out=tmp_path / "run", show=False)
    assert report["verdict"]["model"].startswith("mobilenet_v2_1.0_") and report["verdict"]["width"] == 1.0
    assert report["verdict"]["pretrained"] == weights.name
    assert report["verdict"]["channels"] == 3  # the pictures are grey, the weights know colour


def test_a_line_is_climbed_past_a_miss() -> None:
    line = [Candidate("a", 1.0, size, 0, size, size / 100, "estimated", False) for size in range(1, 8)]
    looked = []

    def fits(candidate: Candidate) -> bool:
        looked.append(candidate.macs)
        return candidate.macs in (2, 4)

    assert climbed(line, line[1], fits) is line[3]
    assert looked == [3, 4, 5, 6]  # two misses in a row end it


def test_bisection_finds_the_largest_that_fits_with_few_looks() -> None:
    line = [Candidate("f", 1.0, i, 0, i, i / 100, "estimated", False) for i in range(1, 31)]
    for limit in range(32):
        looked: list[int] = []

        def fits(candidate: Candidate, limit: int = limit, looked: list[int] = looked) -> bool:
            looked.append(candidate.macs)
            return candidate.macs <= limit

        found = largest_that_fits(line, fits)
        assert (found.macs if found else 0) == min(limit, 30)
        assert len(looked) <= 5


def test_a_preferred_line_stays_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its best fits in the short look and not in the long one: the next cheaper of the same line is taken."""
    ours = [Candidate("a", 1.0, i, 0, i, i / 100, "published", True) for i in range(1, 9)]
    others = [Candidate("b", 1.0, i, 0, i, 0.5 + i / 100, "published", False) for i in range(1, 9)]
    timer = Timer(2, 3, "onnxruntime", 1)

    def time(candidates, look: Look = SHORT) -> None:
        for c in candidates:
            ms = c.macs * (slower if look is LONG else 1.0)
            timer.known[c] = Latency(ms, ms, ms, ms, ms, look.rounds, look.rounds)

    slower = 1.3

    monkeypatch.setattr(timer, "time", time)
    chosen, *rest = choose([*ours, *others], 6.0, timer, show=False)
    assert (chosen.family, chosen.macs) == ("a", 4)
    assert {c.family for c in rest} <= {"b"}
    slower = 0.8  # bracketing met a busy machine, and stopped at 5: the long look climbs
    chosen, *_ = choose([*ours, *others], 6.0, timer, show=False)
    assert (chosen.family, chosen.macs) == ("a", 7)
    with pytest.raises(pv.InputError, match="nothing fits 0.5 ms"):
        choose([*ours, *others], 0.5, timer, show=False)


def test_grid_and_lines() -> None:
    candidates = grid(10, 1, 8, None)
    assert max(c.resolution for c in candidates) == 32  # 8 px digits tell nothing new beyond
    assert {c.family for c in candidates} == {
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
    }
    for line in lines(candidates):
        assert [c.macs for c in line] == sorted(c.macs for c in line)
        assert [c.score for c in line] == sorted(c.score for c in line)
    pretrained = [c for c in grid(2, 3, 300, line_of("mobilenet_v2", 2)) if c.pretrained]
    assert {(c.family, c.width) for c in pretrained} == {("mobilenet_v2", 1.0)}
    first = lines(grid(2, 3, 300, line_of("mobilenet_v2", 2)))[0]
    assert all(c.pretrained for c in first) and len(first) > 5


def test_a_photograph_is_not_seen_at_24_px() -> None:
    def best(side: int, macs: float) -> Candidate:
        line = lines([c for c in grid(2, 3, side, None) if c.family == "mobilenet_v2" and c.width == 1.0])[0]
        return [c for c in line if c.macs <= macs][-1]

    assert best(375, 81e6).resolution == 112  # a large photograph: as much detail as the cost allows
    assert best(8, 81e6).resolution <= 32  # a picture of 8 px has no more to show
    assert {c.score for c in grid(2, 3, 375, None) if c.name == "mobilenet_v2_1.0_128"} == {0.653}


def test_untimed_candidates_are_predicted_between_timed_ones() -> None:
    a, b, c = (Candidate("f", 1.0, i, 0, i * 1000, 0, "estimated", False) for i in (1, 2, 4))
    predicted = predict_ms(b, {a: 1.0, c: 4.0})
    assert predicted == pytest.approx(2.0)
    assert predict_ms(c, {a: 1.0, b: 1.5}) == pytest.approx(1.5 * 2 ** (math.log(1.5) / math.log(2)))
    assert predict_ms(b, {}) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("5ms", 0.005), ("0.3ms", 0.0003), ("8m", 480), ("1h30m", 5400), ("2 s", 2)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "budget") == pytest.approx(seconds)

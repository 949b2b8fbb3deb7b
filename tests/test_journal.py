"""A killed run repeats no finished step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pocketvision.errors import InputError
from pocketvision.fitting.candidates import Candidate
from pocketvision.fitting.timer import Timer
from pocketvision.journal import Journal


def test_a_step_is_done_once_whoever_asks(tmp_path: Path) -> None:
    path, done = tmp_path / "steps.json", []

    def step() -> int:
        done.append(1)
        return 42

    assert [Journal(path).once("a", step), Journal(path).once("a", step)] == [42, 42] and len(done) == 1
    assert Journal(path).once("b", step) == 42 and len(done) == 2
    assert json.loads(path.read_text()) == {"a": 42, "b": 42}


def test_a_step_that_fails_is_done_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "steps.json")
    with pytest.raises(ZeroDivisionError):
        journal.once("a", lambda: 1 / 0)
    assert Journal(tmp_path / "steps.json").once("a", lambda: 1) == 1


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "steps.json"
    path.write_text('{"a": ')
    with pytest.raises(InputError, match=r"steps.json is damaged .* delete it"):
        Journal(path)


def test_timings_outlive_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Candidate("mobilenet_v1", 0.25, 32, 0, 1, 0.5, "estimated", False)
    first = Timer(10, 3, "onnxruntime", 1, journal=Journal(tmp_path / "timed.json"))
    first.time([one])
    monkeypatch.setattr("pocketvision.fitting.clock.time_interleaved", lambda *_, **__: pytest.fail("timed again"))
    second = Timer(10, 3, "onnxruntime", 1, journal=Journal(tmp_path / "timed.json"))
    second.time([one])
    assert second.known == first.known and second.known[one].calls > 0

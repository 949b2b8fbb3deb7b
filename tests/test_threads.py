"""The number of threads is measured; what a run was saved with, it goes on with."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pocketvision.commands import waiting
from pocketvision.data.dataset import Dataset
from pocketvision.training import loop, speed, threads
from pocketvision.training.recipe import Recipe
from pocketvision.training.speed import Speeds
from pocketvision.training.state import read_notes
from pocketvision.training.threads import (
    ThreadWatch,
    best_count,
    compare_threads,
    explain,
    restored_threads,
    thread_counts,
)
from trainable import every_kind, pictures  # noqa: F401 (a fixture)


@pytest.fixture
def two_threads() -> Iterator[None]:
    with restored_threads():
        torch.set_num_threads(2)
        yield
    assert torch.get_num_threads() == 1  # as in all tests


def test_few_counts_are_tried() -> None:
    assert [thread_counts(most) for most in (1, 2, 3, 16)] == [[1], [1, 2], [1, 3], [1, 8, 16]]


@pytest.mark.parametrize(("rates", "best"), [({1: 144, 2: 12}, 1), ({1: 199, 2: 315}, 2), ({1: 98, 2: 100}, 1)])
def test_the_fastest_is_taken_and_said(
    rates: dict[int, float],
    best: int,
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def train() -> int:
        nonlocal now
        now += 10 / rates[torch.get_num_threads()]
        return 10

    class Fake:
        monotonic = staticmethod(lambda: now)

    monkeypatch.setattr(threads, "time", Fake)
    found = compare_threads(train, [1, 2], 2.0)
    assert found == pytest.approx(rates) and best_count(found) == best == torch.get_num_threads()
    said = explain(found)
    assert said.startswith(f"training with {best} thread") and ("wait for each other" in said) == (best == 1)


def test_a_speed_that_collapses_or_recovers_is_measured_again(two_threads: None) -> None:
    """By images/s with one and two threads on a quiet machine, a busy one, and a quiet one again."""
    told: list[str] = []
    watch = ThreadWatch([1, 2], 315.0, told.append)
    used = []
    for rates in ({1: 199.0, 2: 315.0}, {1: 144.0, 2: 12.0}, {1: 199.0, 2: 315.0}, {1: 90.0, 2: 140.0}):
        for _ in range(900):
            watch.step(32 / rates[torch.get_num_threads()], 32)
        used.append(torch.get_num_threads())
    assert used == [2, 1, 2, 2]
    assert "training with 1 thread: 144 images/s, 2 threads 12" in told[0]
    assert "training with 2 threads: 315 images/s" in told[1] and len(told) == 2
    quiet = ThreadWatch([1], 300.0, told.append)
    quiet.step(100.0, 1)
    assert not quiet.trial  # nothing to choose


@pytest.mark.parametrize("measured", [1, 2])
def test_a_run_goes_on_with_the_threads_that_it_was_saved_with(
    pictures: Dataset,  # noqa: F811
    tmp_path: Path,
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
    measured: int,
) -> None:
    used: list[int] = []

    def measure(trainer: Any) -> Speeds:
        trainer.threads = measured
        return Speeds(100.0, 100.0, 0.1)

    class Watch(ThreadWatch):
        def step(self, seconds: float, work: float) -> None:
            used.append(torch.get_num_threads())
            if len(used) == 5:
                raise KeyboardInterrupt

    monkeypatch.setattr(loop, "measure", measure)
    monkeypatch.setattr("pocketvision.training.run.ThreadWatch", Watch)
    recipe = Recipe(epochs=2, batch=4)
    with pytest.raises(KeyboardInterrupt):
        loop.train_network(every_kind(1), pictures, recipe, out=tmp_path, show=False)
    assert read_notes(tmp_path / loop.STATE_FILE)["threads"] == measured
    assert torch.get_num_threads() == 2
    loop.train_network(every_kind(1), pictures, recipe, out=tmp_path, show=False)
    assert used == [measured] * 8 and torch.get_num_threads() == 2


def test_the_speed_test_chooses_on_the_real_network(
    pictures: Dataset,  # noqa: F811
    two_threads: None,
) -> None:
    trainer = loop.Trainer(every_kind(3), pictures, Recipe(epochs=2, batch=4), seconds=4.0, show=False, device="cpu")
    began = time.process_time()
    found = loop.measure(trainer)
    assert found.images > 0 and found.data > 0 and found.validation_seconds > 0
    assert trainer.threads in (1, 2) and torch.get_num_threads() == 2
    assert time.process_time() - began < 4.0


@pytest.mark.parametrize(("share", "compared"), [(0.3, False), (1.0, True)])
def test_threads_that_would_wait_for_each_other_are_not_compared(
    pictures: Dataset,  # noqa: F811
    two_threads: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    share: float,
    compared: bool,
) -> None:
    """Beside others, one step of two threads may look fast by chance, and the next ones take ten times as long."""
    monkeypatch.setattr(time, "process_time", lambda: share * time.monotonic())
    seen: list[list[int]] = []

    def compare(train: Any, counts: list[int], seconds: float) -> dict[int, float]:
        seen.append(counts)
        return {1: 10.0, 2: 30.0}

    monkeypatch.setattr(speed, "compare_threads", compare)
    trainer = loop.Trainer(every_kind(3), pictures, Recipe(epochs=2, batch=4), seconds=1.0, device="cpu")
    loop.measure(trainer)
    assert (trainer.threads, seen) == ((2, [[1, 2]]) if compared else (1, []))
    said = "training with 2 threads: 30" if compared else "with 1 thread: other programs leave it 30 % of a core"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("busy", "said"), [(1.7, "PASSIVE"), (0.1, None), (None, None)])
def test_on_a_busy_machine_threads_wait_asleep(
    monkeypatch: pytest.MonkeyPatch, busy: float | None, said: str | None
) -> None:
    for name in waiting.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(waiting, "busy_cores", lambda: busy)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    waiting.sleep_when_busy()
    assert waiting.POLICY not in os.environ  # PyTorch is loaded: too late
    monkeypatch.delitem(sys.modules, "torch")
    waiting.sleep_when_busy()
    assert os.environ.get(waiting.POLICY) == said
    monkeypatch.delenv(waiting.POLICY, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    waiting.sleep_when_busy()
    assert waiting.POLICY not in os.environ

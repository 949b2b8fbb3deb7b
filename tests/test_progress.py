"""What a log gets of long work: a line for a step, not hundreds; and no bar where nothing can be drawn again."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from pocketvision import progress
from pocketvision.progress import Steps


class Time:
    """Seconds that pass only when they are told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    clock = Time()
    monkeypatch.setattr(progress, "time", clock)
    yield clock


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    log = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=log, highlight=False))
    return log


def train(clock: Time, epochs: int, batches: int, seconds: float) -> None:
    with Steps("training", epochs) as steps:
        for epoch in range(epochs):
            for batch in range(batches):
                clock.now += seconds / batches
                steps.done(epoch + (batch + 1) / batches, f"epoch {epoch + 1}")
            steps.done(epoch + 1, f"epoch {epoch + 1} judged")


def test_an_epoch_is_one_line(clock: Time, log: io.StringIO) -> None:
    train(clock, epochs=5, batches=50, seconds=60)
    lines = log.getvalue().splitlines()
    assert len(lines) == 5 and all(f"epoch {number}" in line for number, line in enumerate(lines, 1))
    assert lines[0] == "training:  20 % epoch 1, 4m 00s left" and lines[-1] == "training: 100 % epoch 5"


def test_hours_are_no_hundreds_of_lines(clock: Time, log: io.StringIO) -> None:
    train(clock, epochs=2000, batches=3, seconds=4)
    lines = log.getvalue().splitlines()
    assert 20 < len(lines) < 90 and "epoch 2000" in lines[-1]


def test_an_epoch_of_an_hour_is_not_silent(clock: Time, log: io.StringIO) -> None:
    train(clock, epochs=1, batches=600, seconds=3600)
    assert 20 < len(log.getvalue().splitlines()) < 40


def test_what_is_short_says_nothing(clock: Time, log: io.StringIO) -> None:
    train(clock, epochs=9, batches=5, seconds=1)
    assert log.getvalue() == ""


def test_no_bar_in_a_file_that_is_to_have_colours(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=log, highlight=False, force_terminal=True))
    train(clock, epochs=2, batches=5, seconds=20)
    assert "\x1b" not in log.getvalue() and log.getvalue().count("\n") == 2

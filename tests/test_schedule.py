"""What a whole job takes: announced, kept by ceilings, said anew when it gets late; bars that are not full early."""

from __future__ import annotations

import math
import time

import pytest

from pocketvision.fitting import choose as choosing
from pocketvision.fitting import schedule as scheduling
from pocketvision.fitting.candidates import Candidate, largest_that_fits
from pocketvision.fitting.choose import choose, explain
from pocketvision.fitting.clock import Look
from pocketvision.fitting.schedule import CHECKING, TIMING, TRAINING, Schedule, checking_seconds, core_share
from pocketvision.fitting.timer import SHORT, Timer
from pocketvision.measure.latency import Latency
from pocketvision.progress import Steps


class Hands:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(scheduling, "say", lines.append)
    return lines


def announced(hands: Hands) -> Schedule:
    schedule = Schedule(clock=hands)
    hands.now += 5  # the images were looked at
    schedule.plan(TIMING, 115)
    schedule.plan(TRAINING, 180, at_most=True)
    schedule.plan(CHECKING, 60)
    schedule.announce()
    return schedule


def test_the_whole_job_is_announced_step_by_step(said: list[str]) -> None:
    announced(Hands())
    assert said == ["at most about 6m 00s in all: 2m 00s timing, up to 3m 00s training, 1m 00s checking"]


def test_what_comes_later_is_said_once_and_why(said: list[str]) -> None:
    hands = Hands()
    schedule = announced(hands)
    hands.now += 235  # two minutes more than planned
    schedule.end(TIMING)
    schedule.look()
    schedule.look()
    assert said[1:] == ["now 2m 00s later than announced: the machine is busier (about 4m 00s left)"]
    hands.now += 180
    schedule.end(TRAINING)
    schedule.look()
    assert len(said) == 2  # as corrected
    found = schedule.to_json()
    assert found["announced"] == 360 and found["seconds"] == 420 and found["steps"] == {TIMING: 240.0, TRAINING: 180.0}


def test_what_ends_earlier_is_said_and_small_changes_are_not(said: list[str]) -> None:
    hands = Hands()
    schedule = announced(hands)
    hands.now += 125
    schedule.end(TIMING)
    schedule.look()
    assert len(said) == 1
    schedule.plan(TRAINING, 20)  # the recipe needs no more
    schedule.look()
    assert len(said) == 2 and "earlier than announced (about" in said[1]


def test_a_smaller_share_of_a_core_makes_checking_longer() -> None:
    assert 0 < core_share(0.02) <= 1
    quiet, busy = (checking_seconds(1000, 5.0, share) for share in (1.0, 0.25))
    assert busy == pytest.approx(4 * quiet) and checking_seconds(2000, 5.0, 1.0) > quiet


LINES = [
    [Candidate(family, 1.0, i, 0, i, top + i / 1000, "published", False) for i in range(1, 25)]
    for family, top in (("a", 0.5), ("b", 0.6), ("c", 0.4))
]
EVERYONE = [candidate for line in LINES for candidate in line]


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    """1 ms for each of the `macs`."""
    made = Timer(2, 3, "onnxruntime", 1)

    def time(candidates, look: Look = SHORT) -> None:
        for c in candidates:
            made.known[c] = Latency(c.macs, c.macs, c.macs, c.macs, c.macs, look.rounds, look.rounds)

    monkeypatch.setattr(made, "time", time)
    return made


@pytest.mark.parametrize("budget", [2.0, 9.0, 40.0])
def test_the_bar_of_timing_is_not_full_before_the_end(
    timer: Timer, monkeypatch: pytest.MonkeyPatch, budget: float
) -> None:
    shown: list[tuple[float, float]] = []

    class Watched(Steps):
        def done(self, done: float, note: str = "", total: float | None = None) -> None:
            super().done(done, note, total)
            shown.append((done, self.total))

    monkeypatch.setattr(choosing, "Steps", Watched)
    told: list[float] = []
    choose(EVERYONE, budget, timer, show=False, told=told.append)
    assert [done for done, _ in shown] == list(range(1, len(shown) + 1))
    assert all(done < total for done, total in shown)
    assert len(told) == len(shown) <= shown[0][1] + 2  # what was announced is about what it took


def test_the_time_left_is_no_more_than_there_may_be(timer: Timer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds for each of some thirty measurements: they end after two minutes, so that is what is said."""
    hands, fast, told = Hands(), timer.time, []
    hands.now = began = time.monotonic()

    def slowly(candidates, look: Look = SHORT) -> None:
        hands.now += 10
        fast(candidates, look)

    monkeypatch.setattr(timer, "time", slowly)
    monkeypatch.setattr(choosing.time, "monotonic", hands)
    choose(EVERYONE, 9.0, timer, show=False, seconds=120.0, told=lambda left: told.append((hands.now - began, left)))
    assert all(gone + left < 121 for gone, left in told if gone < 110) and told[0] == pytest.approx((10, 110), abs=11)
    assert all(left > 0 for _, left in told)


def test_timing_that_takes_longer_is_said_while_it_does(said: list[str]) -> None:
    hands = Hands()
    schedule = announced(hands)
    hands.now += 60
    schedule.plan(TIMING, 110.0)  # are left, of 115 in all
    schedule.look()
    assert said[1:] == [] and schedule.left == 350
    hands.now += 40
    schedule.look()
    assert said[1:] == ["now 1m 40s later than announced: the machine is busier (about 6m 00s left)"]


def test_choosing_ends_when_its_time_is_up(timer: Timer) -> None:
    chosen, *others = choose(EVERYONE, 9.0, timer, show=False)
    in_full = len(timer.known)
    timer.known.clear()
    hurried, *_ = choose(EVERYONE, 9.0, timer, show=False, seconds=0.0)
    assert (chosen.family, chosen.macs) == ("b", 8) and len(others) == 2
    assert hurried.family == "b"  # the most promising line comes first
    assert hurried.macs <= chosen.macs and len(timer.known) < in_full / 2
    assert timer.left_out > 0 and f"{timer.left_out} more were not timed" in explain(hurried, EVERYONE, 9.0, timer)


def test_choosing_finds_what_fits_however_late(timer: Timer) -> None:
    """Time that is up is no reason to say that nothing fits."""
    (found, *_) = choose(EVERYONE, 1.5, timer, show=False, seconds=0.0)
    assert found.macs == 1


def test_a_bar_never_shows_more_than_all() -> None:
    with Steps("working", 2, show=False) as steps:
        steps.done(3)
        assert steps.total == 3
        steps.done(4, total=2)
        assert steps.total == 4


def test_bisection_looks_no_more_often_than_expected() -> None:
    for line in LINES:
        looked: list[Candidate] = []
        largest_that_fits(line, lambda c, looked=looked: looked.append(c) is None and c.macs <= 7)
        assert len(looked) <= math.ceil(math.log2(len(line) + 1))

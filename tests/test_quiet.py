"""What timed calls say of a quiet machine: pure functions of recorded sequences. No duration is asserted."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median

import pytest

from pocketvision.measure.calls import TimedCall
from pocketvision.measure.latency import Latency, summarise


def test_calls_that_waited_are_left_out() -> None:
    """Of a call of 1 ms two in three are preempted for 4 ms."""
    rounds = [[TimedCall(0.005, 0.004), TimedCall(0.001), TimedCall(0.0052, 0.0041)]] * 9
    found = summarise(rounds)
    assert median(call.wall for turn in rounds for call in turn) == 0.005  # the wall clock's median is wrong
    assert [found.median_ms, found.low_ms, found.high_ms, found.p90_ms] == [1, 1, 1, 1]
    assert (found.wall_ms, found.calls, found.rounds) == (5, 27, 9)
    assert found.disturbed == pytest.approx(2 / 3)
    assert (found.least_ms, found.most_ms, found.reliable) == (1, 1, True)


def test_where_every_call_waited_the_waiting_is_taken_off() -> None:
    found = summarise([[TimedCall(0.030, 0.022), TimedCall(0.026, 0.018), TimedCall(0.034, 0.0255)]] * 9)
    assert found.median_ms == pytest.approx(8)
    assert found.wall_ms == 30 and found.disturbed == 1
    assert found.reliable and found.least_ms == pytest.approx(8) and found.most_ms == found.high_ms


def test_several_threads_that_waited_have_bounds_but_no_figure() -> None:
    """Which of the threads the others waited for is not known."""
    found = summarise([[TimedCall(0.030, 0.022, serial=False), TimedCall(0.026, 0.018, serial=False)]] * 9)
    assert [found.median_ms, found.wall_ms, found.most_ms] == pytest.approx([28, 28, 28])
    assert found.least_ms == pytest.approx(8)
    assert not found.reliable


def test_a_system_that_does_not_tell_says_so() -> None:
    found = summarise([[TimedCall(0.010, None), TimedCall(0.0101, None)]] * 9)
    assert found.disturbed is None and found.reliable
    found = summarise([[TimedCall(0.010, None), TimedCall(0.030, None)]] * 9)
    assert (found.least_ms, found.most_ms, found.reliable) == (10, 20, False)


def test_json_of_today_and_of_older_versions_is_read() -> None:
    found = summarise([[TimedCall(0.001), TimedCall(0.002, 0.001)]] * 6)
    assert Latency.from_json(found.to_json()) == found == Latency(**asdict(found))
    old = Latency.from_json({"median_ms": 2, "p10_ms": 1, "p90_ms": 3, "low_ms": 1.9, "high_ms": 2.1,
                             "rounds": 9, "calls": 27})  # fmt: skip
    assert (old.wall_ms, old.disturbed, old.least_ms, old.most_ms, old.reliable) == (2, 0, 1.9, 2.1, True)

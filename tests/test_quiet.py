"""What timed calls say of a quiet machine: pure functions of recorded sequences. No duration is asserted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from pocketvision.measure import calls
from pocketvision.measure.calls import CallTimer, TimedCall
from pocketvision.measure.latency import Latency, summarise, time_interleaved, warm_up
from pocketvision.measure.pin import pinned
from pocketvision.measure.priority import HIGHEST, highest_priority
from pocketvision.measure.quiet import disturbed_share, quantile, quantile_interval, turn_seconds


def test_calls_that_waited_are_left_out_and_those_after_them() -> None:
    """A call of 1 ms is preempted for 4 ms, which leaves the caches cold for the next one."""
    turn = [*[TimedCall(0.001)] * 4, TimedCall(0.005, 0.004), TimedCall(0.0014, after=0.0)]
    found = summarise([turn] * 9)
    assert [found.median_ms, found.low_ms, found.high_ms, found.p90_ms] == [1, 1, 1, 1]
    assert (found.calls, found.rounds, found.disturbed, found.wall_ms) == (54, 9, pytest.approx(1 / 6), 1)
    assert (found.least_ms, found.most_ms, found.reliable) == (1, 1, True)


def test_on_a_busy_machine_what_happens_to_run_through_is_cold_too() -> None:
    """The first call of each turn had not waited, and found the caches as other programs had left them."""
    turn = [TimedCall(0.0016), TimedCall(0.0055, 0.004), *[TimedCall(0.001, after=0.002)] * 2]
    assert summarise([turn] * 9).median_ms == pytest.approx(1)
    assert turn_seconds(turn) == pytest.approx(0.001)


def test_where_every_call_waited_the_waiting_is_taken_off() -> None:
    waits = [(0.030, 0.022), (0.026, 0.018), (0.034, 0.0255)]
    found = summarise([[TimedCall(wall, waited, after=0.0) for wall, waited in waits]] * 9)
    assert found.median_ms == pytest.approx(8)
    assert found.wall_ms == 30 and found.disturbed == 1
    assert found.reliable and found.least_ms == pytest.approx(8) and found.most_ms >= found.high_ms


def test_what_runs_cold_after_a_wait_does_not_raise_the_figure() -> None:
    """As recorded beside five busy processes: 0.40 ms warm, seven calls in each time slice of 4 ms."""
    slice_ = [1.05, 0.70, 0.45, 0.42, 0.41, 0.40, 0.40]
    after = [sum(slice_[:number]) for number in range(7)]
    turn = [
        TimedCall((ms + 8 * (at == 0)) / 1e3, 0.008 * (at == 0), after=at / 1e3)
        for ms, at in zip(slice_, after, strict=True)
    ]
    found = summarise([turn * 2] * 9)
    assert found.median_ms == pytest.approx(0.40, rel=0.05)
    assert found.least_ms <= 0.41 <= found.most_ms


def test_several_threads_that_waited_have_bounds_but_no_figure() -> None:
    """Which of the threads the others waited for is not known."""
    turn = [TimedCall(0.030, 0.022, serial=False, after=0.0), TimedCall(0.026, 0.018, serial=False, after=0.0)]
    found = summarise([turn] * 9)
    assert found.median_ms == pytest.approx(26)  # the least disturbed ones
    assert [found.wall_ms, found.most_ms, found.least_ms] == pytest.approx([28, 28, 8])
    assert not found.reliable


def test_threads_that_waited_longer_than_the_call_took_leave_a_time_to_divide_by() -> None:
    """Two threads of one call, both kept from a CPU most of the time: comparisons divide by what it took at least."""
    found = summarise([[TimedCall(0.030, 0.040, serial=False, after=0.0)] * 2] * 9)
    assert 0 < found.least_ms < found.most_ms == pytest.approx(30)


def test_in_quiet_the_figure_is_the_median_of_the_wall_clock() -> None:
    """A wait of a few microseconds for the kernel's own work changes nothing."""
    walls = np.random.default_rng(0).gamma(20, 1e-4, (15, 9)).tolist()
    found = summarise([[TimedCall(wall, 3e-6) for wall in turn] for turn in walls])
    assert found.median_ms == 1e3 * median(median(turn) for turn in walls)
    assert found.disturbed == 0 and (found.least_ms, found.most_ms) == (found.low_ms, found.high_ms)


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


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_interval_of_a_quantile_covers_it_as_often_as_it_says(share: float) -> None:
    draws = np.random.default_rng(0).random((1000, 60))
    covered = [low <= share <= high for draw in draws for low, high in [quantile_interval(list(draw), share, 0.95)]]
    assert np.mean(covered) > 0.94
    assert quantile([3, 1, 2], share) == pytest.approx(np.quantile([1, 2, 3], share))
    assert quantile_interval([1.0, 2.0, 3.0], 0.1, 0.95)[0] == 1


# Wall time and waiting in ms, a turn a line: ONNX Runtime, one thread, on two cores beside five busy processes and more
# (load average 12.8). In quiet, minutes before, the networks took 7.8 ms and 0.42 ms.
MOBILENET_V2 = """
75.88-67.96 112.16-103.91 198.15-189.50
151.95-143.94 54.76-0.00 79.84-71.96
128.11-119.86 124.17-115.99 148.85-140.50
144.77-135.96 126.37-118.17 129.91-121.69
153.37-145.26 154.59-146.22 132.36-124.23
191.90-183.94 168.06-159.97 200.56-192.06
206.31-197.77 153.70-145.50 188.13-179.98
151.96-143.95 146.91-138.64 130.67-122.34
92.09-83.97 39.36-31.35 166.53-158.16
7.86-0.02 7.98-0.21 8.06-0.25
20.19-11.89 140.36-131.92 165.30-156.65
104.06-95.19 76.06-67.99 62.35-54.15
"""
MOBILENET_V3_SMALL = """
0.897-0.000 0.533-0.000 0.562-0.000 49.708-47.954 0.963-0.000 0.791-0.000
0.534-0.000 0.429-0.000 0.412-0.000 0.409-0.000 0.406-0.000 0.404-0.000
0.544-0.000 0.432-0.000 0.412-0.000 0.405-0.000 0.403-0.000 0.402-0.000
0.754-0.000 0.640-0.000 0.463-0.000 0.413-0.000 0.405-0.000 89.041-87.962
0.505-0.000 0.476-0.000 0.416-0.000 0.447-0.000 0.418-0.000 0.406-0.000
0.515-0.000 0.428-0.000 0.415-0.000 46.463-45.347 0.835-0.000 0.662-0.000
0.788-0.000 0.655-0.000 81.036-79.954 0.880-0.000 0.636-0.000 0.435-0.000
0.657-0.000 0.458-0.000 0.414-0.000 0.416-0.000 0.408-0.000 100.826-99.964
0.800-0.000 0.695-0.000 0.561-0.000 0.425-0.000 77.037-75.972 0.902-0.000
0.803-0.000 0.878-0.102 0.514-0.000 0.426-0.000 0.411-0.000 0.405-0.000
0.572-0.000 0.533-0.000 0.451-0.000 0.430-0.000 0.418-0.000 0.413-0.000
0.554-0.000 13.182-12.016 0.686-0.000 0.484-0.000 0.429-0.000 0.410-0.000
"""


def recorded(text: str) -> list[list[TimedCall]]:
    """Each turn began after others had run, as all of these did."""
    rounds = []
    for line in text.split("\n")[1:-1]:
        turn: list[TimedCall] = []
        for wall, waited in (map(float, call.split("-")) for call in line.split()):
            after = turn[-1].after + turn[-1].wall if turn and not turn[-1].waited else 0.0
            turn.append(TimedCall(wall / 1e3, waited / 1e3, after=after))
        rounds.append(turn)
    return rounds


@pytest.mark.parametrize(
    ("text", "quiet_ms", "wall_off"), [(MOBILENET_V2, 7.8, 10.0), (MOBILENET_V3_SMALL, 0.42, 0.15)]
)
def test_recorded_calls_beside_busy_processes_give_the_quiet_figure(
    text: str, quiet_ms: float, wall_off: float
) -> None:
    rounds = recorded(text)
    before = 1e3 * median(median(call.wall for call in turn) for turn in rounds)
    assert before / quiet_ms - 1 > wall_off  # by the clock on the wall
    found = summarise(rounds)
    assert found.median_ms == pytest.approx(quiet_ms, rel=0.05)
    assert found.least_ms <= quiet_ms <= found.most_ms * 1.02


# The timer


def test_a_pause_of_the_call_itself_is_not_taken_off() -> None:
    timer = CallTimer()
    with timer.turn():
        slept = timer.time(lambda: time.sleep(0.02))
    assert slept.wall >= 0.02
    assert slept.waited is None or slept.least >= 0.0199


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts a thread's CPU time in ticks")
def test_without_the_schedulers_statistics_the_cpu_clock_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS, and Linux in some sandboxes. What a call slept by itself cannot be told from what it waited."""
    monkeypatch.setattr(calls, "_open", lambda path: None)
    for threads in (1, 2):
        timer = CallTimer(threads)
        with timer.turn():
            worked = timer.time(lambda: sum(range(200_000)))
        assert worked.waited is None or 0 <= worked.waited < worked.wall
        with timer.turn():
            slept = timer.time(lambda: time.sleep(0.01))
    assert slept.waited is None
    assert disturbed_share([slept]) is None and disturbed_share([slept, TimedCall(1.0), TimedCall(2.0, 1.0)]) == 0.5


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or not Path("/proc/self/schedstat").exists(), reason="Linux")
def test_busy_neighbours_on_the_same_cpu_are_noticed_and_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketvision.measure.calls.highest_priority", lambda tasks: nullcontext())  # nobody is root
    script = "import os\nos.write(1, b'.')\nwhile os.getppid() == {}: pass"
    with pinned(1):
        command = [sys.executable, "-c", script.format(os.getpid())]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
        try:
            for other in others:
                assert other.stdout and other.stdout.read(1) == b"."
            (found,) = time_interleaved({"count": lambda: sum(range(200_000))}, rounds=6).values()
        finally:
            for other in others:
                other.kill()
                other.communicate()
    assert found.disturbed is not None and found.disturbed > 0
    assert found.least_ms <= found.median_ms <= found.most_ms
    assert found.median_ms < found.wall_ms


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux's statistics of the scheduler")
def test_work_in_another_thread_is_found() -> None:
    """An engine's pool of one thread: the caller only waits for it."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        timer = CallTimer(1)
        warm_up(lambda: pool.submit(sum, range(300_000)).result(), 0.02, 0.0, timer)
        assert timer.whole_process
        with timer.turn():
            found = timer.time(lambda: pool.submit(sum, range(300_000)).result())
    assert found.serial and found.waited is not None and 0 <= found.waited <= found.wall
    timer = CallTimer(1)
    warm_up(lambda: sum(range(300_000)), 0.02, 0.0, timer)
    assert not timer.whole_process


def test_the_interval_of_thousands_of_calls() -> None:
    """The binomial coefficients of more than 1,029 calls are larger than any float."""
    low, high = quantile_interval([float(value) for value in range(5000)], 0.1, 0.95)
    assert 400 < low < 500 < high < 600


def test_the_timed_thread_goes_before_others_where_it_may() -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with highest_priority() as raised:
        assert os.getpriority(os.PRIO_PROCESS, 0) == (HIGHEST if raised else usual)
    assert os.getpriority(os.PRIO_PROCESS, 0) == usual
    inside: list[int] = []
    time_interleaved({"look": lambda: inside.append(os.getpriority(os.PRIO_PROCESS, 0))}, rounds=6, warmup=0)
    assert inside[:3] == [usual] * 3  # warming up, when engines start their threads
    assert set(inside[3:]) == {HIGHEST if raised else usual} and os.getpriority(os.PRIO_PROCESS, 0) == usual


def test_threads_that_have_ended_are_passed_over() -> None:
    with highest_priority([2**22 + 1]) as raised:
        assert not raised


def test_a_short_call_that_waited_for_long_says_nothing() -> None:
    """20 microseconds between 4 ms of waiting: by the clocks' own errors the difference may be nothing at all."""
    after_a_wait = [TimedCall(4.02e-3, 4.02e-3 + error, True, 0.0) for error in (0.0, 1e-5, -3e-6)]
    cold = [TimedCall(2.1e-5, 0.0, True, 0.0), TimedCall(2.0e-5, 0.0, True, 0.0)]
    assert turn_seconds([*after_a_wait, *cold]) == pytest.approx(2.01e-5)
    assert turn_seconds(after_a_wait) > 0  # ratios are taken of it
    found = summarise([[*after_a_wait, *cold]] * 6)
    assert found.median_ms == pytest.approx(0.0201, abs=1e-4) and found.least_ms > 0

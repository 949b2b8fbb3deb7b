"""How many images a speed is measured on: on a busy machine a step takes long whatever is in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pocketvision.training import speed
from pocketvision.training.speed import affordable_count


class Machine:
    """Its clock goes on by what a step costs: `fixed` seconds, and `each` for every image."""

    def __init__(self, fixed: float, each: float) -> None:
        self.fixed, self.each, self.now = fixed, each, 0.0

    def monotonic(self) -> float:
        return self.now

    def work(self, count: int) -> None:
        self.now += self.fixed + count * self.each


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[Machine], tuple[int, float, float]]:
    """Images, seconds that they took, and seconds of the whole measurement, for a batch of 64 and 0.125 s."""

    def measure(machine: Machine) -> tuple[int, float, float]:
        monkeypatch.setattr(speed, "time", machine)
        count, taken = affordable_count(machine.work, 64, 0.125)
        return count, taken, machine.now

    return measure


def test_whole_batches_tell_where_a_step_costs_more_than_its_images(measured) -> None:
    """A small network with a quarter of a core: four images alone would make it look ten times slower than it is."""
    count, taken, spent = measured(Machine(0.15, 0.001))
    assert count == 64 and taken == pytest.approx(0.214) and spent < 1


def test_a_slow_network_is_measured_on_few_images(measured) -> None:
    count, _, spent = measured(Machine(0.01, 1.0))
    assert count == 2 and spent < 2.1
    count, _, spent = measured(Machine(0.0, 0.1))  # fitting, or nearly, the images are what takes the time
    assert count == 8 and spent == pytest.approx(1.0)


def test_a_quiet_machine_takes_whole_batches(measured) -> None:
    assert measured(Machine(0.01, 0.001))[0] == 64


def test_the_measurement_ends_however_slow_the_machine_is(measured) -> None:
    """Nothing but what every step costs, and very much of it."""
    count, _, spent = measured(Machine(0.4, 0.0))
    assert count == 32 and spent <= 1.3  # 2, 8 and 32 images

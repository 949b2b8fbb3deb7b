"""Steps that are not training look at as many images as the machine affords, and say so."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from pocketvision.fitting import allowance
from pocketvision.fitting.allowance import LEAST, PROBED, affordable, evenly

IMAGES = range(5000)


class Slow:
    """Answers that take so many seconds for each image, by a clock that is not waited for."""

    def __init__(self, each: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.each, self.now, self.asked = each, 0.0, list[int]()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def __call__(self, images: Sequence[int]) -> None:
        self.asked.append(len(images))
        self.now += self.each * len(images)


@pytest.mark.parametrize(
    ("each", "looks", "expected"),
    [(0.001, 1, 5000), (0.04, 1, 1500), (0.04, 3, 500), (1.0, 1, LEAST), (0.0, 1, 5000)],
)
def test_as_many_images_as_the_time_affords(
    each: float, looks: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(allowance, "say", said.append)
    answer = Slow(each, monkeypatch)
    found = affordable(IMAGES, 5000, 60.0, answer, "calibrating", looks)
    assert expected / 2 < len(found) <= expected
    assert each * looks * len(found) <= 60 or len(found) <= LEAST
    assert all(count <= PROBED for count in answer.asked)
    assert min(found) == 0 and max(found) > 0.9 * max(IMAGES)  # spread over all
    assert (said == []) == (len(found) == len(IMAGES))
    for line in said:
        assert line.startswith(f"calibrating: {len(found):,} of 5,000 images")


def test_few_images_are_all_looked_at_and_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Slow(1e3, monkeypatch)
    assert len(affordable(IMAGES[:LEAST], 5000, 60.0, answer)) == LEAST and answer.asked == []


def test_even_spread() -> None:
    assert list(evenly(range(10), 5)) == [0, 2, 4, 6, 8] and list(evenly(range(3), 10)) == [0, 1, 2]

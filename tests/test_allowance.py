"""Steps that are not training look at as many images as the machine affords, and say so."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import split
from pocketvision.fitting import allowance, ship
from pocketvision.fitting.allowance import LEAST, PROBED, affordable, evenly
from pocketvision.fitting.ship import choose_resolution
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.models import create_model
from pocketvision.network import Network

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


def test_sizes_and_crops_are_judged_on_what_the_time_affords(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = split(open_dataset("digits"))
    net = create_model("mobilenet_v1", 0.25, 16, dataset.classes, 1).eval()
    val, journal = dataset.splits["val"], Journal()

    def timed(nets: Sequence[Network], needed: int, enough_ms: float) -> list[Latency]:
        return [Latency(1, 1, 1, 1, 1, 9, 9) if number <= needed else Latency(9, 9, 9, 9, 9, 9, 9)
                for number in range(len(nets))]  # fmt: skip

    monkeypatch.setattr(ship, "SECONDS", 0.0)
    found = choose_resolution(net, val, 2.0, timed, journal)
    (judged,) = (value for name, value in journal.known.items() if name == "images that sizes are judged by")
    assert LEAST / 2 < judged <= LEAST < len(val) and found.resolution == 16
    assert f"judging sizes and crops: {judged} of {len(val)} images" in capsys.readouterr().err
    assert choose_resolution(net, val, 2.0, timed, journal) == found  # nothing is measured again

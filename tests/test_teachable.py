"""A choice that the time can train: the steps that it affords decide between large and small networks."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import pocketvision as pv
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import split
from pocketvision.fitting.candidates import Candidate, grid
from pocketvision.fitting.contest import Choice, Contest
from pocketvision.fitting.learn import Start, speed_of
from pocketvision.fitting.teachable import LEAST_STEPS, PROBES, expected_steps, in_a_hurry, steps_in, teachable
from pocketvision.journal import Journal
from pocketvision.runfolder import RunFolder
from pocketvision.training.recipe import Recipe, from_scratch_recipes
from pocketvision.training.step import Step
from pocketvision.units import counted


def candidate(macs: float, pretrained: bool = False) -> Candidate:
    """Published accuracy rises with the logarithm of multiply-adds, as it does."""
    return Candidate("f", 1.0, int(macs), 0, int(macs), 0.2 + 0.1 * math.log10(macs), "estimated", pretrained)


LARGE = candidate(200e6)
OTHERS = [candidate(macs) for macs in (100e6, 30e6, 10e6, 3e6, 1e6)]


def steps_like(factor: float, least: float = 0.0):
    """Steps in proportion to the cost of a step, and the candidates that were asked for."""
    asked: list[Candidate] = []

    def steps(one: Candidate) -> int:
        asked.append(one)
        return int(factor / (one.macs + least))

    return steps, asked


def test_what_the_time_trains_is_taken_as_before() -> None:
    steps, asked = steps_like(2e11)
    found = teachable(LARGE, OTHERS, steps)
    assert found.best == LARGE and asked == [LARGE]  # nothing else is measured


@pytest.mark.parametrize("seconds", [0.01, 0.1, 0.5])
def test_in_a_hurry_a_smaller_one_is_trained(seconds: float) -> None:
    steps, asked = steps_like(seconds * 2e10)
    found = teachable(LARGE, OTHERS, steps)
    assert found.best.macs < LARGE.macs and len(asked) <= PROBES
    assert found.steps[found.best] > found.steps[LARGE]
    assert f"for {counted(found.steps[LARGE], 'step')} in" in found.reason(LARGE)


def test_the_less_time_the_smaller() -> None:
    chosen = [teachable(LARGE, OTHERS, steps_like(factor)[0]).best.macs for factor in (2e8, 2e9, 1e10, 2e11)]
    assert chosen == sorted(chosen) and chosen[0] < chosen[-1]


def test_a_smaller_one_that_is_no_faster_is_not_taken() -> None:
    """Where the images take all the time, a small network sees as few of them."""
    found = teachable(LARGE, OTHERS, lambda _: 50)
    assert found.best == LARGE


def test_pretrained_networks_need_few_steps_and_stay_among_themselves() -> None:
    first = candidate(200e6, pretrained=True)
    assert teachable(first, OTHERS, lambda _: 30).best == first
    found = teachable(first, [*OTHERS, candidate(20e6, pretrained=True)], steps_like(2e9)[0])
    assert found.best.pretrained


def test_expected_steps_never_promise_more_than_multiply_adds_do() -> None:
    for other in OTHERS:
        assert 40 < expected_steps(other, {LARGE: 40}) < 40 * LARGE.macs / other.macs
    assert expected_steps(LARGE, {OTHERS[-1]: 400}) == 400 * OTHERS[-1].macs / LARGE.macs


def test_steps_end_with_the_recipe() -> None:
    recipe = Recipe(epochs=10, batch=64)
    assert steps_in(1e9, 100, recipe, 1000) == 10 * 16
    assert steps_in(20, 64, recipe, 1000) == 18
    assert steps_in(20, 64, recipe, 8) == 10  # one step an epoch


def test_in_a_hurry_batches_are_smaller() -> None:
    recipe = Recipe(batch=64)
    assert in_a_hurry(recipe, LEAST_STEPS) == recipe
    assert in_a_hurry(recipe, LEAST_STEPS // 2).batch == 32
    assert in_a_hurry(recipe, 3).batch == 16
    assert in_a_hurry(Recipe(batch=8), 3).batch == 8


@pytest.mark.parametrize("channels", [1, 3])
def test_few_images_get_steps_too(channels: int) -> None:
    """64 photographs in batches of 64 were 100 steps in all, however much time there was."""
    for images in (40, 64, 300, 700, 2000, 50_000):
        for recipe in from_scratch_recipes(channels, images).values():
            batch = min(recipe.batch, images)
            assert recipe.epochs * math.ceil(images / batch) >= 700
    assert next(iter(from_scratch_recipes(channels, 1438).values())).batch == 64


def test_a_contest_leaves_out_what_it_cannot_teach(tmp_path: Path) -> None:
    """Below 2,000 images and 180 s, where no short trainings are made."""
    dataset = split(open_dataset("digits"))
    candidates = grid(10, 1, 8, None)
    first = max(candidates, key=lambda c: c.score)
    rows = [{"model": c.name, "fits": True} for c in candidates]
    start = Start(dataset.classes, 1, 0, side=8)
    contest = Contest(RunFolder(tmp_path / "run", {}, "report.json"), start, dataset, 4.0, "cpu", False, Journal())
    winner = contest.decide(Choice([first], candidates, rows, "Because."))
    assert winner.contender.candidate.macs < first.macs / 4
    assert contest.steps(first) < LEAST_STEPS and contest.steps(first) < contest.steps(winner.contender.candidate)
    assert winner.contender.recipe.batch <= 32
    assert winner.reason.startswith("Because. ") and "too few to learn much" in winner.reason
    measuring = [seconds for step, seconds in contest.journal.known.items() if step.endswith(": s of measuring that")]
    assert measuring and winner.seconds == max(2.0, 4.0 - sum(measuring))  # of the 4 s, however many were measured


def test_train_too_gives_few_images_small_batches(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for label in ("light", "dark"):
        (folder / label).mkdir(parents=True)
        for i in range(15):
            Image.new("L", (8, 8), i + (200 if label == "light" else 0)).save(folder / label / f"{i}.png")
    out = tmp_path / "run"
    pv.train(folder, "mobilenet_v1", width=0.25, resolution=16, epochs=1, out=out, show=False)
    assert json.loads((out / "recipe.json").read_text())["batch"] == 16


def test_the_first_step_of_a_process_does_not_count_as_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports and allocates for a second or more: in a short time nothing else was measured."""
    data = split(open_dataset("digits"))
    start = Start(data.classes, 1, 0, side=8)
    small = Candidate("mobilenet_v1", 0.25, 16, 0, 0, 0.3, "estimated", False)
    recipe = next(iter(start.recipes(small, 1438).values()))
    step, calls = Step.__call__, []

    def slow_at_first(self: Step, *batch: Any) -> Any:
        calls.append(1)
        time.sleep(2.0 if len(calls) == 1 else 0.0)
        return step(self, *batch)

    monkeypatch.setattr(Step, "__call__", slow_at_first)
    found = speed_of(start.network(small), recipe, data, "cpu", 2.0)
    assert len(calls) >= 2 and found.images > 3  # it was 4 images in 2 s, and nothing else was measured

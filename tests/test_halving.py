"""Choosing by short trainings, and the limits besides time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import ImageFile
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import split
from pocketvision.errors import InputError
from pocketvision.fitting.candidates import Candidate, grid
from pocketvision.fitting.halving import Contender, contenders, explain_halving, halve, part_of, with_better_recipe
from pocketvision.fitting.learn import Start, train_shortly
from pocketvision.fitting.limits import Limits
from pocketvision.fitting.pretrained import Pretrained
from pocketvision.journal import Journal
from pocketvision.measure.count_spec import count_spec
from pocketvision.models import create_spec
from pocketvision.network import build
from pocketvision.training.recipe import Recipe
from pocketvision.units import parse_bytes, parse_count
from pocketvision.weights import open_weights


def line_of(family: str, classes: int) -> Pretrained:
    """The line of candidates that weights of the plain network of a family start."""
    return Pretrained.of(open_weights(build(create_spec(family))), classes, 3)


def candidate(family: str, macs: int) -> Candidate:
    return Candidate(family, 1.0, macs, 0, macs, macs / 100, "estimated", family == "ours")


RECIPES = {"plain": Recipe(), "other": Recipe(mixup=0.2)}
POOL = contenders(
    [candidate("ours", 50), candidate("theirs", 60), candidate("third", 40)],
    [candidate("ours", macs) for macs in range(10, 90, 10)],
    lambda _: RECIPES,
    passes=2.0,
)
DATA = Dataset(
    "d",
    "d",
    ("a", "b"),
    {name: tuple(Sample(ImageFile(Path(f"{i}")), i % 2, str(i)) for i in range(100)) for name in ("train", "val")},
)


def test_contenders_differ_in_recipe_family_and_cost() -> None:
    assert [(c.candidate.family, c.candidate.macs, c.recipe_name) for c in POOL] == [
        ("ours", 50, "plain"),
        ("ours", 50, "other"),
        ("theirs", 60, "plain"),
        ("ours", 30, "plain"),
    ]


def test_with_time_enough_another_line_stands_instead_of_a_smaller_sibling() -> None:
    finalists = [candidate("ours", 50), candidate("theirs", 60), candidate("third", 40), candidate("fourth", 30)]
    pool = contenders(finalists, [candidate("ours", 10)], lambda _: RECIPES, passes=9.0)
    assert [c.candidate.family for c in pool] == ["ours", "ours", "theirs", "third"]


def test_a_recipe_clearly_better_for_the_first_choice_is_the_winners_too() -> None:
    def rows(other: float) -> list[dict[str, Any]]:
        losses = zip(POOL, (0.5, other, 0.2, 0.9), strict=True)
        return [
            {"rung": 0, "contender": c.name, "model": c.candidate.name, "val_loss": loss, "val_top1": 0.5}
            for c, loss in losses
        ]

    found = with_better_recipe(POOL[2], rows(0.4), lambda _: RECIPES)
    assert found == Contender(POOL[2].candidate, RECIPES["other"], "other")
    said = explain_halving(POOL, found, rows(0.4))
    assert "theirs_1.0_60 had the lowest validation loss" in said and "The recipe other was clearly" in said
    assert with_better_recipe(POOL[2], rows(0.48), lambda _: RECIPES) is POOL[2]
    assert with_better_recipe(POOL[0], rows(0.4), lambda _: RECIPES) is POOL[0]
    assert with_better_recipe(POOL[2], rows(0.4), lambda _: {"plain": Recipe()}) is POOL[2]


def trained(losses: dict[str, float], calls: list[tuple[str, float]]):
    def train(contender: Contender, data: Dataset, seconds: float, name: str) -> dict[str, Any]:
        calls.append((contender.name, seconds))
        return {"val_loss": losses[contender.name], "val_top1": 0.5, "seconds": seconds, "epochs": 3}

    return train


def test_the_better_half_goes_on_and_nothing_is_trained_twice() -> None:
    losses = dict(zip((c.name for c in POOL), (0.5, 0.37, 0.4, 0.9), strict=True))
    calls: list[tuple[str, float]] = []
    known: list[dict[str, Any]] = []
    winner, left = halve(POOL, DATA, 1000.0, trained(losses, calls), known, lambda _: None)
    assert winner is POOL[1]
    assert [seconds for _, seconds in calls] == [20.0] * 4 + [40.0] * 2
    assert {name for name, _ in calls[4:]} == {POOL[1].name, POOL[2].name}
    assert left == 840.0
    assert POOL[1].name in explain_halving(POOL, winner, known)
    calls.clear()
    again, _ = halve(POOL, DATA, 1000.0, trained(losses, calls), known[:3], lambda _: None)
    assert again is winner and len(calls) == 3  # what an interrupted run knew is not trained again


def test_the_first_choice_gives_way_to_a_clear_lead_only() -> None:
    for other, winner in ((0.48, 0), (0.40, 1)):
        losses = dict(zip((c.name for c in POOL), (0.5, other, 0.9, 0.9), strict=True))
        known: list[dict[str, Any]] = []
        found, _ = halve(POOL, DATA, 1000.0, trained(losses, []), known, lambda _: None)
        assert found is POOL[winner]
        said = explain_halving(POOL, found, known)
        assert ("no clear lead against it" in said) == (winner == 0) and found.name in said


def test_a_clear_lead_over_all_others_needs_no_second_round() -> None:
    losses = dict(zip((c.name for c in POOL), (0.5, 0.6, 0.4, 0.9), strict=True))
    calls: list[tuple[str, float]] = []
    known: list[dict[str, Any]] = []
    winner, left = halve(POOL, DATA, 1000.0, trained(losses, calls), known, lambda _: None)
    assert winner is POOL[2] and len(calls) == 4 and left == 920.0
    assert "the lowest validation loss in the last round" in explain_halving(POOL, winner, known)


def test_a_part_keeps_the_shares_of_the_classes() -> None:
    part = part_of(DATA, 20, 0)
    assert [sample.label for sample in part.splits["train"]].count(0) == 10
    assert len(part.splits["train"]) == 20 and len(part.splits["val"]) == 100
    assert part == part_of(DATA, 20, 0) != part_of(DATA, 20, 1)


def test_a_short_training_for_real(tmp_path: Path) -> None:
    digits = split(open_dataset("digits"))
    some = grid(10, 1, 8, None, Limits.parse(params="300k"))
    contender = Contender(some[0], Recipe(batch=32, flip=False), "plain")
    found = train_shortly(Start(digits.classes, 1, 0), contender, digits, 2.0, tmp_path, "cpu", False, Journal())
    assert found["epochs"] >= 1 and 0 < found["val_loss"] < 10 and 0 < found["images"] <= len(digits.splits["train"])


def test_limits_of_the_grid() -> None:
    limits = Limits.parse("20M", "1M", "3MB", "4MB")
    kept = grid(10, 3, 32, None, limits)
    assert 0 < len(kept) < len(grid(10, 3, 32, None))
    for one in kept:
        costs = count_spec(one.spec(10, 3))
        assert costs.macs <= 20e6 and costs.params <= 1e6 and not limits.exceeded(costs)
        assert costs.params * 4 + costs.peak_activation_bytes <= 4e6
    with pytest.raises(InputError, match=r"no candidate keeps --max-params 1,000: the smallest needs params"):
        grid(10, 3, 32, None, Limits.parse(params="1k"))


def test_pretrained_weights_keep_their_stem_at_any_size() -> None:
    small = [c for c in grid(10, 3, 32, line_of("mobilenet_v2", 10)) if c.pretrained and c.resolution <= 64]
    assert {c.resolution for c in small} == {32, 40, 48, 56, 64}
    assert all(c.spec(10, 3).trunk[0].stride == 2 for c in small)


def test_counts_and_sizes() -> None:
    assert [parse_count(text, "x") for text in ("2M", "300k", "1.5G", "42")] == [2_000_000, 300_000, 1_500_000_000, 42]
    assert [parse_bytes(text, "x") for text in ("4MB", "1.5KiB", "10 b")] == [4_000_000, 1536, 10]
    for wrong in ("", "M", "-2M", "4X", "0"):
        with pytest.raises(InputError, match="max-params"):
            parse_count(wrong, "max-params")
    with pytest.raises(InputError, match="size with a unit"):
        parse_bytes("4", "max-size")

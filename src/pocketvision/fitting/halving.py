"""Successive halving (arXiv 1502.07943): short trainings of a few contenders, the better half of which goes on.

Published accuracy says which networks are worth a look; what they learn from *these* images in *this* time it cannot
say: a smaller one sees them more often, and which recipe suits depends on the data.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.errors import InputError
from pocketvision.fitting.candidates import Candidate
from pocketvision.training.recipe import Recipe
from pocketvision.units import percent

LEAST_IMAGES = 2000  # below, a validation split cannot tell contenders apart
LEAST_SECONDS = 180.0  # of training: below, all of it goes to the first choice
MOST = 4  # contenders
RUNG_SHARE = 0.02  # of the time, for each contender of the first rung; the next rung gives twice as much
CHEAPER = 0.6  # the first choice's smaller sibling has at most this share of its multiply-adds
HURRIED = 4.0  # passes over the images: where the first choice has time for more, its smaller sibling is not tried
LEAD = 0.1  # of the validation loss: what a contender must be ahead by to displace the first choice, see `halve`
JUDGED = 1500  # validation images that a rung is judged by


@dataclass(frozen=True)
class Contender:
    """A network and a way to train it."""

    candidate: Candidate
    recipe: Recipe
    recipe_name: str

    @property
    def name(self) -> str:
        return f"{self.candidate.name} · {self.recipe_name}"


Trained = Callable[[Contender, Dataset, float, str], dict[str, Any]]
"""(contender, data, seconds, a name for its state) -> {val_loss, val_top1, seconds, epochs} of a short training."""


def contenders(
    finalists: Sequence[Candidate],
    candidates: Sequence[Candidate],
    recipes: Callable[[Candidate], dict[str, Recipe]],
    passes: float,
) -> list[Contender]:
    """At most MOST: the first choice with its two likeliest recipes, the first of other lines, or a cheaper sibling.

    `finalists` are candidates that keep the budget, the preferred first, one for each family. `passes` over the images
    are what the first choice has time for. A short training favours what sees more images in it; in a long one the
    larger network catches up, so that a sibling stands only in a hurry.
    """
    first = finalists[0]
    found = [Contender(first, recipe, name) for name, recipe in list(recipes(first).items())[:2]]
    siblings = [
        c
        for c in candidates
        if c.family == first.family and c.pretrained == first.pretrained and c.macs <= CHEAPER * first.macs
    ]
    others = finalists[1:]
    if passes < HURRIED and siblings:
        others = [*finalists[1:2], max(siblings, key=lambda c: (c.score, -c.macs))]
    found += [Contender(c, recipe, name) for c in others for name, recipe in list(recipes(c).items())[:1]]
    return found[:MOST]


def halve(
    pool: Sequence[Contender],
    dataset: Dataset,
    seconds: float,
    train: Trained,
    known: list[dict[str, Any]],
    remember: Callable[[list[dict[str, Any]]], None],
) -> tuple[Contender, float]:
    """The winner, and the seconds that are left of `seconds` for its training.

    `known` are results of an interrupted run, and grows; `remember` is told after each. Every short training sees a
    part of the images, small enough for several epochs, and is judged by its validation loss. What learns fastest is
    not always what learns most: the first choice, for which published figures or experiments speak, gives way to a
    clear lead only. A clear lead over all others ends it at once.
    """
    alive, rung, share = list(pool), 0, RUNG_SHARE
    while len(alive) > 1:
        losses = {}
        for contender in alive:
            row = next((r for r in known if (r["rung"], r["contender"]) == (rung, contender.name)), None)
            if row is None:
                found = train(contender, dataset, share * seconds, f"rung-{rung}-{pool.index(contender)}")
                row = {"rung": rung, "contender": contender.name, "model": contender.candidate.name, **found}
                known.append(row)
                remember(known)
            losses[contender] = validation_loss(row)
        if math.isinf(min(losses.values())):
            raise InputError(
                f"the short trainings of all {len(alive)} contenders diverged: look at the images with 'pocketvision "
                "doctor', or train a network yourself at a low rate with 'pocketvision train --lr'"
            )
        alive.sort(key=lambda contender: losses[contender] * (1 if contender is pool[0] else 1 + LEAD))
        clear = losses[alive[0]] * (1 + LEAD) < min(losses[other] for other in alive[1:])
        alive = alive[: 1 if clear else (len(alive) + 1) // 2]
        rung, share = rung + 1, 2 * share
    return alive[0], seconds - sum(row["seconds"] for row in known)


def validation_loss(row: Mapping[str, Any]) -> float:
    """Of a short training; infinite when it diverged."""
    return math.inf if row["val_loss"] is None else float(row["val_loss"])


def with_better_recipe(
    winner: Contender, known: Sequence[dict[str, Any]], recipes: Callable[[Candidate], dict[str, Recipe]]
) -> Contender:
    """The winner with the recipe that was clearly better for the first choice: there alone two recipes were compared.

    Whether a mirrored picture is still of its class depends on the data, hardly on the network.
    """
    rows = [row for row in known if row["rung"] == 0]
    usual, *others = (row for row in rows if row["model"] == rows[0]["model"])
    if winner.candidate.name == usual["model"]:
        return winner  # the last round has compared its recipes for longer
    for row in others:
        name = row["contender"].rpartition(" · ")[2]
        if validation_loss(row) * (1 + LEAD) < validation_loss(usual) and name in recipes(winner.candidate):
            return Contender(winner.candidate, recipes(winner.candidate)[name], name)
    return winner


def part_of(dataset: Dataset, images: int, seed: int) -> Dataset:
    """About `images` training images, from each class the same share, and at most JUDGED for validation."""
    splits = {name: _some(dataset.splits[name], most, seed) for name, most in (("train", images), ("val", JUDGED))}
    return replace(dataset, splits=splits)


def _some(samples: Sequence[Sample], most: int, seed: int) -> tuple[Sample, ...]:
    by_class: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        by_class.setdefault(sample.labels[:1], []).append(sample)  # of several, the first decides
    found: list[Sample] = []
    for labels, members in sorted(by_class.items()):
        random.Random("/".join(map(str, (seed, *labels)))).shuffle(members)
        found += members[: max(1, round(len(members) * min(1.0, most / len(samples))))]
    return tuple(found)


def explain_halving(pool: Sequence[Contender], winner: Contender, known: Sequence[dict[str, Any]]) -> str:
    """The course of it, in words."""
    first = [row for row in known if row["rung"] == 0]
    results = ", ".join(f"{row['contender']} {_accuracy(row)}" for row in first)
    last = [row for row in known if row["rung"] == max(row["rung"] for row in known)]
    deciding = ", ".join(f"{row['contender']} {validation_loss(row):.3f}" for row in last)
    lowest = min(last, key=validation_loss)["contender"]
    own = next((row for row in last if row["contender"] == winner.name), None)  # None: with another recipe
    same = lowest == winner.name if own else lowest.startswith(f"{winner.candidate.name} · ")
    why = "the lowest validation loss in the last round" if same else "no clear lead against it in the last round"
    text = (
        f"Of {len(pool)} contenders trained for a short time each (validation accuracy: {results}), "
        f"{winner.name if own else winner.candidate.name} had {why} (validation loss: {deciding})."
    )
    if own is None:
        text += f" The recipe {winner.recipe_name} was clearly the better one for {pool[0].candidate.name}."
    return text


def _accuracy(row: Mapping[str, Any]) -> str:
    share = row.get("val_top1", row.get("val_map"))
    return "diverged" if share is None else percent(share)

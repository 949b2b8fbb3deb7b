"""From the candidates that keep the budget to a trained network: contenders, the winner, its training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pocketvision.data.dataset import Dataset, Task
from pocketvision.data.preprocessing import shown_whole
from pocketvision.fitting.candidates import FULL, Candidate
from pocketvision.fitting.halving import LEAST_IMAGES, LEAST_SECONDS, Contender, part_of
from pocketvision.journal import Journal
from pocketvision.models import build_with
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.training.divergence import LOWER, Diverged
from pocketvision.training.history import History
from pocketvision.training.loop import Trainer
from pocketvision.training.recipe import Recipe, fine_tune_recipes, from_scratch_recipes
from pocketvision.training.speed import Speeds, measure
from pocketvision.weights import Weights

ATTEMPTS = 3  # at training a network, each at LOWER times the rate of the one before
RUNG_EPOCHS = 3  # of a short training: the part of the images is made as small as that needs
PLANNED = 0.9  # of a short training's time: with more, a little slower than measured would cost a whole epoch


@dataclasses.dataclass(frozen=True)
class Start:
    """Where every training of a run begins: the same seed, the same pretrained weights (None: none).

    `side` is that of the images, px.
    """

    classes: tuple[str, ...]
    channels: int
    seed: int
    weights: Weights | None = None
    task: Task = "classify"
    side: int = FULL

    def network(self, candidate: Candidate) -> Network:
        """A fresh network, or one with the pretrained weights when they are the candidate's."""
        torch.manual_seed(self.seed)  # here, not before: a resumed run has not built what an unbroken one has
        known = self.weights if candidate.pretrained else None
        net = build_with(candidate.spec(len(self.classes), self.channels), self.classes, known)
        net.task = self.task
        net.preprocessing = shown_whole(net.preprocessing, self.side)
        return net

    def recipes(self, candidate: Candidate, images: int) -> dict[str, Recipe]:
        """The recipes worth trying for a candidate on so many images, the likelier first, by name."""
        make = fine_tune_recipes if candidate.pretrained else from_scratch_recipes
        found = make(self.channels, images)
        return {name: dataclasses.replace(recipe, seed=self.seed) for name, recipe in found.items()}


def train_at_a_rate_that_holds(
    make: Callable[[], Network],
    train: Callable[[Network, Recipe], History],
    recipe: Recipe,
    show: bool,
    journal: Journal,
) -> tuple[Network, History]:
    """`make()` trained by the recipe; where that diverges it goes on at a lower rate from the last good state.

    The rates are in the `journal`: a run that was stopped goes on at the latest. Diverged after ATTEMPTS of them.
    """
    key = "learning rate after {} divergences"
    diverged = max((number for number in range(1, ATTEMPTS) if key.format(number) in journal.known), default=0)
    while True:
        if diverged:
            recipe = dataclasses.replace(recipe, lr=journal.known[key.format(diverged)])
        net = make()
        try:
            return net, train(net, recipe)
        except Diverged as error:
            diverged += 1
            if diverged == ATTEMPTS:
                raise
            lr = journal.once(key.format(diverged), lambda: LOWER * recipe.lr)  # noqa: B023 (called at once)
            if show:
                say(f"{error.found}; it goes on from the last good state at {lr:g}")


def is_worth_halving(images: int, seconds: float) -> bool:
    """Can short trainings on so many images in so much time tell contenders apart?"""
    return images >= LEAST_IMAGES and seconds >= LEAST_SECONDS


def speed_of(net: Network, recipe: Recipe, dataset: Dataset, device: str, seconds: float) -> Speeds:
    """Images per second in training, measured on a few; and the seconds of a validation as short trainings have it.

    `seconds` are those that a training is to take: measuring takes a small part of them.
    """
    few = part_of(dataset, 4 * recipe.batch, recipe.seed)
    return measure(Trainer(net, few, recipe, seconds, show=False, device=device))


def train_shortly(
    start: Start,
    contender: Contender,
    dataset: Dataset,
    seconds: float,
    state: Path,
    device: str,
    show: bool,
    journal: Journal,
) -> dict[str, Any]:
    """RUNG_EPOCHS epochs on as many images as `seconds` allow; `state` is a folder to resume from.

    How many images that are is in the `journal`: they must be the same after a kill.

    {val_loss, val_top1 (or val_map), seconds, epochs, images}; of a training that diverged val_loss is None.
    """
    net = start.network(contender.candidate)

    def affordable() -> int:
        speed = speed_of(net, contender.recipe, dataset, device, seconds)
        training = PLANNED * max(1.0, seconds) - RUNG_EPOCHS * speed.validation_seconds
        return int(max(0.5 * seconds, training) * speed.images / RUNG_EPOCHS)

    images = journal.once(f"images of {state.name}", affordable)
    some = part_of(dataset, images, start.seed)
    recipe = dataclasses.replace(contender.recipe, epochs=RUNG_EPOCHS, progressive=1.0, patience=0)
    trainer = Trainer(net, some, recipe, seconds, show, device, label=contender.name)
    try:
        history = trainer.run(state)
    except Diverged as error:
        if show:
            say(f"{contender.name}: {error.found}; it is out of the contest")
        images = len(some.splits["train"])
        return {"val_loss": None, "seconds": error.found.seconds, "epochs": error.found.epoch, "images": images}
    last = history.epochs[-1]
    return {
        "val_loss": last["val_loss"],
        **{key: value for key, value in last.items() if key in ("val_top1", "val_map")},
        "seconds": history.seconds,
        "epochs": history.count,
        "images": len(some.splits["train"]),
    }

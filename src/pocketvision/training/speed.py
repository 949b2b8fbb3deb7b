"""Images per second, measured before the first epoch on a copy of the network, which stays untouched."""

from __future__ import annotations

import copy
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pocketvision.training.modes import set_training
from pocketvision.training.optimizer import make_optimizer

if TYPE_CHECKING:
    from pocketvision.training.loop import Trainer

MEASURED = 4.0  # seconds of training; of reading alone a quarter of it


@dataclass(frozen=True)
class Speeds:
    """Images per second in training, data waiting included; of data alone; and seconds of one validation."""

    images: float
    data: float
    validation_seconds: float


def measure(trainer: Trainer) -> Speeds:
    """Train a copy for some seconds, at most an epoch; then read without training; then validate once."""
    net = copy.deepcopy(trainer.net)
    optimizer = make_optimizer(net, trainer.recipe)
    set_training(net, trainer.recipe)
    loader = iter(trainer.train_batches)
    images, labels = next(loader)
    trainer.step(net, optimizer, images, labels)  # the first one allocates
    began, done = time.monotonic(), 0
    for batch, answers in itertools.chain(loader, itertools.repeat((images, labels))):
        trainer.step(net, optimizer, batch, answers)
        done += len(batch)
        if time.monotonic() - began > MEASURED or done >= 20 * len(images):
            break
    speed = done / (time.monotonic() - began)
    data = _reading(trainer)
    began = time.monotonic()
    trainer.validate(net)
    return Speeds(speed, data, time.monotonic() - began)


def _reading(trainer: Trainer) -> float:
    """Images per second that arrive when nobody trains: what was prefetched before is not counted."""
    loader = iter(trainer.train_batches)
    prefetched = trainer.train_batches.num_workers * 2 + 1
    for _ in itertools.islice(loader, prefetched):
        pass
    began, done = time.monotonic(), 0
    for images, _ in loader:
        done += len(images)
        if time.monotonic() - began > MEASURED / 4:
            break
    if not done:  # an epoch of a few batches: read as a whole
        images = trainer.train_batches.dataset
        keys = list(itertools.islice(iter(trainer.sampler), 200))
        began = time.monotonic()
        for key in keys:
            images[key]
        done = len(keys)
    return done / max(time.monotonic() - began, 1e-9)

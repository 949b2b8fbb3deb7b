"""Images per second, measured before the first epoch on a copy of the network, which stays untouched."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pocketvision.data.loader import stop_workers
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.training.modes import set_training
from pocketvision.training.optimizer import make_optimizer
from pocketvision.training.threads import best_count, compare_threads, explain, restored_threads, use_threads
from pocketvision.units import percent

if TYPE_CHECKING:
    from pocketvision.training.loop import Trainer

MEASURED = 4.0  # seconds of training; of reading and of validating alone a quarter of it each
MOST_STEPS = 20
SHARE = 0.05  # of the time given, at most, for the same
# Of a core that one thread gets: with less, several wait for each other (`experiments/threads`), and the fraction of a
# second that there is for comparing them shows nothing but chance.
CONTENDED = 0.6
FLAT = 2.0  # times as long for four times as many images: then it is not the images that take it
PATIENCE = 8.0  # times what an attempt may take, for all of them, while that is so


@dataclass(frozen=True)
class Speeds:
    """Images per second in training, data waiting included; of data alone; and seconds of one validation."""

    images: float
    data: float
    validation_seconds: float


def measure(trainer: Trainer) -> Speeds:
    """Train a copy for some seconds; then read without training; then validate on some images.

    On a slow machine with parts of a batch: not even a whole step may fit into the time there is.
    """
    seconds = min(MEASURED, SHARE * trainer.limit) if trainer.limit is not None else MEASURED
    net = copy.deepcopy(trainer.net)
    optimizer = make_optimizer(net, trainer.recipe)
    set_training(net, trainer.recipe)
    loader = iter(trainer.train_batches)
    images, labels = next(loader)

    def train(count: int) -> int:
        trainer.step(net, optimizer, images[:count], labels[:count])
        return count

    with restored_threads():
        several = len(trainer.thread_counts) > 1
        if several:
            use_threads(1)  # the safe one: others may take ten times as long on a busy machine
        train(min(4, len(images)))  # the very first step imports and allocates: seconds that no later one takes
        if several:
            began, ran = time.monotonic(), time.process_time()
            few, _ = affordable_count(train, len(images), seconds / 8)
            share = (time.process_time() - ran) / (time.monotonic() - began)
            if share < CONTENDED:
                trainer.threads = 1
                said = f"training with 1 thread: other programs leave it {percent(share, 0)} of a core"
            else:
                rates = compare_threads(lambda: train(few), trainer.thread_counts, seconds / 4)
                trainer.threads, said, seconds = best_count(rates), explain(rates), seconds / 2
            if trainer.show:
                say(said)
        speed = _training(trainer, net, optimizer, train, loader, (images, labels), seconds)
        found = Speeds(speed, _reading(trainer, seconds / 4), _validating(trainer, net, seconds / 4))
    stop_workers(trainer.train_batches)
    return found


def _training(
    trainer: Trainer,
    net: Network,
    optimizer: Optimizer,
    train: Callable[[int], int],
    loader: Iterator[Any],
    first: tuple[Tensor, Tensor],
    seconds: float,
) -> float:
    """Images per second in training on `first`, a batch, and what else the loader gives."""
    whole = len(first[0])
    count, taken = affordable_count(train, whole, seconds / 4)
    began, done = time.monotonic(), 0
    if count < whole:
        return count / taken
    for batch, answers in itertools.chain(loader, itertools.repeat(first)):
        trainer.step(net, optimizer, batch, answers)
        done += len(batch)
        if time.monotonic() - began > seconds or done >= MOST_STEPS * whole:
            break
    return done / (time.monotonic() - began)


def affordable_count(work: Callable[[int], object], most: int, seconds: float) -> tuple[int, float]:
    """How many images at once, up to `most`, are worked on in `seconds`, and the seconds that they took.

    Begun with two; each further attempt takes four times as many, as long as the one before fitted. What a step costs
    besides its images, on a busy machine most of it, makes a small network's first attempts look far slower than whole
    batches are: where few images take too long, it goes on as long as four times as many hardly take longer.
    """
    count, before, began = min(2, most), FLAT * seconds, time.monotonic()
    while True:
        start = time.monotonic()
        work(count)
        now = time.monotonic()
        taken = max(now - start, 1e-9)
        hardly_longer = taken < FLAT * before and now - began < PATIENCE * seconds
        if count == most or not (taken <= seconds or hardly_longer):
            return count, taken
        count, before = min(most, 4 * count), taken


def _validating(trainer: Trainer, net: torch.nn.Module, seconds: float) -> float:
    """Seconds of one validation, projected from those of a few images."""
    images, total = trainer.val, len(trainer.val)
    if not total:
        return 0.0

    def validate(count: int) -> None:
        few = [images[index] for index in range(count)]
        batch = torch.stack([image for image, _ in few]), torch.tensor([label for _, label in few])
        trainer.step.validate(net, [batch])

    count, taken = affordable_count(validate, total, seconds)
    return taken * total / count


def _reading(trainer: Trainer, seconds: float) -> float:
    """Images per second that arrive when nobody trains: what was prefetched before is not counted."""
    prefetched = trainer.train_batches.num_workers * 2 + 1
    began = started = time.monotonic()
    done = 0
    for number, (images, _) in enumerate(trainer.train_batches, 1):
        if number > prefetched:
            done += len(images)
        else:
            began = time.monotonic()
        if time.monotonic() - started > 2 * seconds:
            break
    if not done:  # an epoch of a few batches, or slow ones: image by image
        images = trainer.train_batches.dataset
        keys = list(itertools.islice(iter(trainer.sampler), 200))
        began = time.monotonic()
        for done, key in enumerate(keys, 1):  # noqa: B007
            images[key]
            if time.monotonic() - began > seconds:
                break
    return done / max(time.monotonic() - began, 1e-9)

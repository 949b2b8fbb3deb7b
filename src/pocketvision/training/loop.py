"""The training loop: ours, on accelerate, because the schedule is bounded by time and every step can be resumed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from pocketvision.data.dataset import Dataset
from pocketvision.data.loader import EpochSampler, Images, batches
from pocketvision.errors import InputError
from pocketvision.network import Network
from pocketvision.progress import duration, say
from pocketvision.training.balance import class_weights
from pocketvision.training.device import make_accelerator, shared_batch
from pocketvision.training.divergence import Divergence, is_lowered
from pocketvision.training.history import History
from pocketvision.training.memory import keep_freed_memory
from pocketvision.training.optimizer import make_optimizer
from pocketvision.training.plan import More, Plan, plan
from pocketvision.training.recipe import Recipe
from pocketvision.training.run import Run
from pocketvision.training.speed import Speeds, measure
from pocketvision.training.state import read_notes
from pocketvision.training.step import Step
from pocketvision.training.threads import restored_threads, thread_counts, use_threads
from pocketvision.units import counted, noun

READING = 0.3  # of the time given: where reading all images takes longer, each is read when it is needed
STATE_FILE = "state/training.safetensors"


class Trainer:
    """Trains `net` in place on `dataset`'s train split; `run(out)` goes on where an earlier run in `out` stopped.

    `seconds` bounds what it takes from here on, reading and validating included: a run ends within an epoch when the
    time is up. `passes` bounds the epochs besides the recipe, and may be a fraction.
    """

    def __init__(
        self,
        net: Network,
        dataset: Dataset,
        recipe: Recipe,
        seconds: float | None = None,
        show: bool = True,
        device: str = "auto",
        loggers: tuple[str, ...] = (),
        label: str = "training",
        passes: float | None = None,
    ) -> None:
        self.began = time.monotonic()
        keep_freed_memory()
        self.recipe, self.limit, self.passes, self.loggers, self.label = recipe, seconds, passes, loggers, label
        self.accelerator: Accelerator = make_accelerator(device)
        several = self.accelerator.device.type == "cpu" and self.accelerator.num_processes == 1
        self.thread_counts = thread_counts(torch.get_num_threads()) if several else [torch.get_num_threads()]
        self.threads = torch.get_num_threads()  # until they are measured
        self.show = show and self.accelerator.is_main_process
        self.net = net.to(self.accelerator.device).to(memory_format=torch.channels_last)
        p = net.preprocessing
        self.step = Step(dataset, p, recipe, self.accelerator)
        samples = self.step.objective.samples
        reading = None if seconds is None else READING * seconds
        label = "reading training images"
        images = Images(samples("train"), p, recipe.augmentation, recipe.seed, label, self.show, reading)
        if recipe.balance and dataset.task != "classify":
            raise InputError("balance in the recipe is for images with one class each: leave it out for several labels")
        weights = class_weights(images.samples, len(dataset.classes)) if recipe.balance else None
        processes = self.accelerator.num_processes
        batch = shared_batch(recipe.batch, len(images), processes)
        self.sampler = EpochSampler(len(images), batch, recipe.seed, p.resolution, weights, whole=processes > 1)
        self.train_batches = batches(images, batch, self.sampler)
        self.val = Images(samples("val"), p, None, recipe.seed, "reading validation images", self.show, reading)
        self.val_batches = batches(self.val, max(64, recipe.batch))

    def run(self, out: Path | None = None, more: More | None = None) -> History:
        """Train to the end of the recipe, or of the time; leaves the averaged weights in the network.

        `more` continues a finished run, with a new warm-up and cosine at half the rates. Diverged (an InputError) when
        the loss or the weights become NaN or infinite; the state saved before stays.
        """
        state = out / STATE_FILE if out else None
        optimizer = make_optimizer(self.net, self.recipe)
        history, planned, begun = self._begin(state, more)
        run = Run(self, out, state, history, planned)
        with restored_threads():
            if begun is not None:
                run.load(optimizer, begun)
            use_threads(self.threads)
            return run.train(optimizer)

    def _begin(self, state: Path | None, more: More | None) -> tuple[History, Plan, dict[str, Any] | None]:
        """History and plan, new or from the state of an earlier run; and its notes, if there is such a state."""
        lost = Divergence.read(state) if state else None
        if state is None or not state.exists():
            found = measure(self)
            history = History(self.recipe, images_per_second=found.images, data_per_second=found.data)
            history.seconds = lost.seconds if lost else 0.0
            left = None if self.limit is None else self.limit - history.seconds
            return history, self._plan(found, left, 0, 0.0), None
        notes = read_notes(state)
        self._refuse_another(state, notes)
        try:
            history, planned = History.from_notes(self.recipe, notes), Plan(**notes["plan"])
        except (KeyError, TypeError):
            raise InputError(
                f"{state} was written by another version of pocketvision: start the run again with --fresh"
            ) from None
        if planned.epoch_steps != len(self.train_batches):
            raise InputError(
                f"{state} is of a run with other images (an epoch had {counted(planned.epoch_steps, 'step')}, now "
                "it has "
                f"{len(self.train_batches):,}): start it again with --fresh"
            )
        history.seconds = max(history.seconds, lost.seconds if lost else 0.0)
        epochs = len(history.epochs)
        self.limit = more.seconds if more else self.limit
        if more and more.after_epoch == epochs and not history.part.steps:
            history.stopped_early = False
            planned = self._plan(measure(self), more.seconds, epochs, history.seconds)
        elif self.show and epochs < planned.epochs:
            say(f"going on after epoch {epochs + history.part.steps / planned.epoch_steps:.3g} of {planned.epochs:.3g}")
        return history, planned, notes

    def _refuse_another(self, state: Path, notes: dict[str, Any]) -> None:
        """InputError for the state of another recipe or network, and for one that is known to diverge from there."""
        wanted, diverged = self.recipe.to_json(), Divergence.read(state)
        if notes["spec"] != self.net.spec.to_json() or (
            notes["recipe"] != wanted and not is_lowered(state, notes["recipe"], wanted)
        ):
            raise InputError(f"{state} belongs to another recipe or network: choose another --out folder")
        if diverged and self.recipe.lr >= diverged.lr:
            raise diverged.error(notes["passes"])

    def _plan(self, found: Speeds, seconds: float | None, first: int, begun: float) -> Plan:
        left = None if seconds is None else seconds - (time.monotonic() - self.began)
        epoch_steps = len(self.train_batches)
        step_seconds = len(self.sampler) / found.images / epoch_steps
        planned = plan(
            self.recipe,
            epoch_steps,
            step_seconds,
            found.validation_seconds,
            left,
            first,
            begun,
            self.passes,
            len(self.val),
        )
        if self.show:
            epochs = planned.epochs - first
            say(
                f"{found.images:.0f} images/s in training ({found.data:.0f} images/s of data): "
                f"{round(epochs, None if epochs >= 10 else 2):g} {noun(epochs, 'epoch')}, "
                f"about {duration(planned.seconds(self.recipe))}"
            )
        return self.together(planned)

    def validate_on(self, count: int) -> None:
        """From now on validation looks at `count` images, the same each time; 0: at all."""
        if 0 < count < len(self.val):
            generator = torch.Generator().manual_seed(self.recipe.seed)
            some = torch.randperm(len(self.val), generator=generator)[:count].tolist()
            self.val_batches = batches(self.val, max(64, self.recipe.batch), only=some)

    def together(self, value: Any) -> Any:
        """The first process's value, in all of them: clocks differ."""
        return broadcast_object_list([value])[0] if self.accelerator.num_processes > 1 else value


def train_network(
    net: Network,
    dataset: Dataset,
    recipe: Recipe,
    seconds: float | None = None,
    out: Path | None = None,
    show: bool = True,
    more: More | None = None,
    device: str = "auto",
    loggers: tuple[str, ...] = (),
    passes: float | None = None,
) -> History:
    """Train `net` in place; `seconds` bounds the time, `out` is where state and metrics go (and are resumed from).

    `passes` over the images (perhaps a fraction) bound it too, in place of the recipe's epochs.
    """
    return Trainer(net, dataset, recipe, seconds, show, device, loggers, passes=passes).run(out, more)

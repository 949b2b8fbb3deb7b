"""The training loop: ours, on accelerate, because the schedule is bounded by time and every epoch can be resumed."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pocketvision.data.dataset import Dataset
from pocketvision.data.loader import EpochSampler, Images, batches, mixed
from pocketvision.errors import InputError
from pocketvision.network import Network
from pocketvision.progress import Steps, duration, say
from pocketvision.training.average import averaged
from pocketvision.training.balance import class_weights
from pocketvision.training.color import jitter_colors
from pocketvision.training.device import make_accelerator
from pocketvision.training.history import History
from pocketvision.training.loggers import start_loggers
from pocketvision.training.losses import objective
from pocketvision.training.memory import keep_freed_memory
from pocketvision.training.mixing import mixing
from pocketvision.training.modes import quicken_statistics, set_training
from pocketvision.training.optimizer import make_optimizer, set_rates
from pocketvision.training.plan import More, Plan, plan, replan, side
from pocketvision.training.recipe import Recipe
from pocketvision.training.speed import Speeds, measure
from pocketvision.training.state import load_state, read_notes, save_state

STATE_FILE = "state/training.safetensors"


class Trainer:
    """Trains `net` in place on `dataset`'s train split; `run(out)` goes on where an earlier run in `out` stopped."""

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
    ) -> None:
        keep_freed_memory()
        self.recipe, self.limit, self.loggers, self.label = recipe, seconds, loggers, label
        self.accelerator: Accelerator = make_accelerator(device)
        self.show = show and self.accelerator.is_main_process
        self.net = net.to(self.accelerator.device).to(memory_format=torch.channels_last)
        p = net.preprocessing
        self.objective = objective(dataset)
        images = Images(
            self.objective.samples("train"), p, recipe.augmentation, recipe.seed, "reading training images", self.show
        )
        if recipe.balance and dataset.task != "classify":
            raise InputError("balance in the recipe is for images with one class each: leave it out for several labels")
        weights = class_weights(images.samples, len(dataset.classes)) if recipe.balance else None
        self.sampler = EpochSampler(len(images), recipe.seed, p.resolution, weights)
        self.train_batches = batches(images, min(recipe.batch, len(images)), self.sampler)
        val = Images(self.objective.samples("val"), p, None, recipe.seed, "reading validation images", self.show)
        self.val_batches = batches(val, max(64, recipe.batch))
        self.mean = torch.tensor(p.mean).view(1, -1, 1, 1).to(self.accelerator.device) * 255
        self.scale = 1 / (torch.tensor(p.std).view(1, -1, 1, 1).to(self.accelerator.device) * 255)
        self.mix = mixing(recipe, len(dataset.classes))
        self.color = recipe.color if recipe.policy == "basic" and p.channels == 3 else 0.0

    def run(self, out: Path | None = None, more: More | None = None) -> History:
        """Train to the end of the recipe, or of the time; leaves the averaged weights in the network.

        `more` continues a finished run, with a new warm-up and cosine at half the rates.
        """
        state = out / STATE_FILE if out else None
        optimizer = make_optimizer(self.net, self.recipe)
        history, planned, begun = self._begin(state, more)
        steps = (planned.total - planned.first) * len(self.train_batches)
        quicken_statistics(self.net, steps)
        average = averaged(self.net, self.recipe.average * steps)
        best = copy.deepcopy(average) if self.recipe.patience else None
        modules = {"model": self.net, "average": average, **({"best": best} if best else {})}
        if begun and state:
            load_state(state, modules, optimizer)
        model, optimizer, loader = self.accelerator.prepare(self.net, optimizer, self.train_batches)
        start_loggers(self.accelerator, self.loggers, out, self.recipe)
        with Steps(self.label, planned.total, self.show) as progress:
            progress.resume_at(len(history.epochs))
            while len(history.epochs) < planned.total and not history.stopped_early:
                epoch = len(history.epochs)
                began = time.monotonic()
                row = self._epoch(epoch, planned, model, average, optimizer, loader, progress)
                trained = time.monotonic() - began
                if planned.validates(epoch):
                    self._judge(row, average)
                row["seconds"] = time.monotonic() - began
                row["images_per_second"] = len(self.sampler) / trained
                history.epochs.append(row)
                history.seconds += row["seconds"]
                planned = self._together(replan(planned, self.recipe, history.seconds, self.limit, epoch + 1))
                if planned.total == epoch + 1 and row["val_loss"] is None:  # the time was up sooner than planned
                    self._judge(row, average)
                if best is not None and history.best_epoch == epoch + 1:
                    best.load_state_dict(average.state_dict())
                history.stopped_early = self._loses_patience(history)
                if out and state and self.accelerator.is_main_process:
                    notes = {**history.to_json(), "plan": planned.to_json(), "spec": self.net.spec.to_json()}
                    save_state(state, modules, optimizer, notes)
                    history.write(out)
                self.accelerator.log({key: value for key, value in row.items() if value is not None}, step=epoch + 1)
                progress.done(epoch + 1, history.note(), planned.total)
        self.accelerator.end_training()
        kept = best if best is not None and history.best_epoch else average
        self.net.load_state_dict(kept.module.state_dict())
        self.net.eval()
        return history

    def _begin(self, state: Path | None, more: More | None) -> tuple[History, Plan, bool]:
        """History and plan, new or from the state of an earlier run; and whether there is such a state."""
        if state is None or not state.exists():
            found = measure(self)
            history = History(self.recipe, images_per_second=found.images, data_per_second=found.data)
            return history, self._plan(found, self.limit, 0, 0.0), False
        notes = read_notes(state)
        if notes["recipe"] != self.recipe.to_json() or notes["spec"] != self.net.spec.to_json():
            raise InputError(f"{state} belongs to another recipe or network: choose another --out folder")
        history, planned = History.from_notes(self.recipe, notes), Plan(**notes["plan"])
        epochs = len(history.epochs)
        self.limit = more.seconds if more else self.limit
        if more and more.after_epoch == epochs:
            history.stopped_early = False
            planned = self._plan(measure(self), more.seconds, epochs, history.seconds)
        elif self.show and epochs < planned.total:
            say(f"going on after epoch {epochs} of {planned.total}")
        return history, planned, True

    def _plan(self, found: Speeds, seconds: float | None, first: int, begun: float) -> Plan:
        planned = plan(self.recipe, len(self.sampler) / found.images, found.validation_seconds, seconds, first, begun)
        if self.show:
            say(
                f"{found.images:.0f} images/s in training ({found.data:.0f} images/s of data): "
                f"{planned.total - first} epochs, about {duration(planned.seconds(self.recipe))}"
            )
        return self._together(planned)

    def _epoch(
        self,
        epoch: int,
        planned: Plan,
        model: nn.Module,
        average: AveragedModel,
        optimizer: Any,
        loader: Any,
        progress: Steps,
    ) -> dict[str, Any]:
        self.sampler.epoch = epoch
        self.sampler.side = side(self.recipe, self.net.preprocessing.resolution, planned.progress(epoch))
        set_training(self.net, self.recipe)
        loss_sum, seen, steps = 0.0, 0, len(loader)
        for i, (images, labels) in enumerate(loader):
            # At each step, not each epoch: loaders draw from the same generator when they start, and a resumed run
            # starts them at another time.
            torch.manual_seed(mixed(self.recipe.seed, epoch, i, self.accelerator.process_index))
            done = epoch + (i + 1) / steps
            set_rates(optimizer, planned.progress(done), self.recipe, 0.5 if planned.first else 1.0)
            loss = self.step(model, optimizer, images, labels)
            average.update_parameters(self.net)
            loss_sum += loss * len(labels)
            seen += len(labels)
            progress.done(done, f"epoch {epoch + 1} loss {loss_sum / seen:.3f}", planned.total)
        return {
            "epoch": epoch + 1,
            "train_loss": loss_sum / seen,
            "val_loss": None,
            f"val_{self.objective.metric}": None,
            "lr": max(group["lr"] for group in optimizer.param_groups),
            "resolution": self.sampler.side[0],
        }

    def step(self, model: nn.Module, optimizer: Any, images: Tensor, labels: Tensor) -> float:
        """One step of the optimiser on uint8 N x C x H x W `images`; the loss."""
        optimizer.zero_grad()
        x, targets = self.normalise(images, self.color), self.objective.targets(labels.to(self.accelerator.device))
        if self.mix:
            x, targets = self.mix(x, targets)
            x = x.contiguous(memory_format=torch.channels_last)
        with self.accelerator.autocast():
            logits = model(x)
        loss = self.objective.loss(logits.float(), targets, self.recipe.label_smoothing)
        self.accelerator.backward(loss)
        optimizer.step()
        return loss.item()

    def normalise(self, images: Tensor, color: float = 0.0) -> Tensor:
        x = images.to(self.accelerator.device).float().contiguous(memory_format=torch.channels_last)
        if color:
            x = jitter_colors(x, color)
        return (x - self.mean) * self.scale

    def _judge(self, row: dict[str, Any], average: AveragedModel) -> None:
        row["val_loss"], row[f"val_{self.objective.metric}"] = self.validate(average.module)

    @torch.inference_mode()
    def validate(self, net: nn.Module) -> tuple[float | None, float | None]:
        """(mean loss, score by the task's metric) of `net` on the validation split; (None, None) when there is none."""
        net.eval()
        found = [(net(self.normalise(images)), labels) for images, labels in self.val_batches]
        if not found:
            return None, None
        logits = torch.cat([answers for answers, _ in found])
        targets = self.objective.targets(torch.cat([labels for _, labels in found]).to(logits.device))
        return self.objective.loss(logits, targets).item(), self.objective.score(logits, targets)

    def _loses_patience(self, history: History) -> bool:
        best = history.best_epoch
        return bool(self.recipe.patience and best and len(history.epochs) - best >= self.recipe.patience)

    def _together(self, planned: Plan) -> Plan:
        """The first process's plan, in all of them: clocks differ."""
        return broadcast_object_list([planned])[0] if self.accelerator.num_processes > 1 else planned


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
) -> History:
    """Train `net` in place; `seconds` bounds the time, `out` is where state and metrics go (and are resumed from)."""
    return Trainer(net, dataset, recipe, seconds, show, device, loggers).run(out, more)

"""The training loop: ours, on accelerate, because the schedule is bounded by time and every epoch can be resumed."""

from __future__ import annotations

import copy
import csv
import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from pocketvision.data.augment import augmentation
from pocketvision.data.dataset import Dataset
from pocketvision.data.loader import EpochShuffle, Images, batches, epoch_seed
from pocketvision.errors import InputError
from pocketvision.files import write_atomic
from pocketvision.network import Network
from pocketvision.progress import Steps, duration, say
from pocketvision.training.losses import objective
from pocketvision.training.memory import keep_freed_memory
from pocketvision.training.recipe import Recipe
from pocketvision.training.schedule import rate
from pocketvision.training.state import load_state, read_notes, save_state

STATE_FILE = "state/training.safetensors"
METRICS_FILE = "metrics.csv"
COLUMNS = ("epoch", "train_loss", "val_loss", "val_top1", "lr", "images_per_second", "seconds")
VALIDATION_SHARE = 0.12  # of the training time: validate every epoch only when that costs less


@dataclass
class History:
    """What happened: one dictionary with COLUMNS for each epoch, and what the time went into."""

    recipe: Recipe
    epochs: list[dict[str, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    images_per_second: float = 0.0  # measured before the first epoch

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_json(),
            "epochs": self.epochs,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
        }


class Trainer:
    """Trains `net` in place on `dataset`'s train split; `run(out)` goes on where an earlier run in `out` stopped."""

    def __init__(
        self, net: Network, dataset: Dataset, recipe: Recipe, seconds: float | None = None, show: bool = True
    ) -> None:
        self.dataset, self.recipe, self.limit, self.show = dataset, recipe, seconds, show
        keep_freed_memory()
        self.accelerator = Accelerator()
        self.net = net.to(self.accelerator.device).to(memory_format=torch.channels_last)
        p = net.preprocessing
        augment = augmentation(p, recipe.crop, recipe.flip, recipe.color)
        self.objective = objective(dataset)
        images = Images(self.objective.samples("train"), p, augment, "reading training images", show)
        self.sampler = EpochShuffle(len(images), recipe.seed)
        self.train_batches = batches(images, min(recipe.batch, len(images)), self.sampler)
        val = Images(self.objective.samples("val"), p, None, "reading validation images", show)
        self.val_batches = batches(val, max(64, recipe.batch))
        self.mean = torch.tensor(p.mean).view(1, -1, 1, 1).to(self.accelerator.device) * 255
        self.scale = 1 / (torch.tensor(p.std).view(1, -1, 1, 1).to(self.accelerator.device) * 255)

    def run(self, out: Path | None = None) -> History:
        """Train to the end of the recipe, or of the time; leaves the averaged weights in the network."""
        state = out / STATE_FILE if out else None
        optimizer = make_optimizer(self.net, self.recipe)
        history = History(self.recipe)
        first, total = 0, self.recipe.epochs
        if state and state.exists():
            notes = read_notes(state)
            if notes["recipe"] != self.recipe.to_json() or notes["spec"] != self.net.spec.to_json():
                raise InputError(f"{state} belongs to another recipe or network: choose another --out folder")
            history = History(self.recipe, notes["epochs"], notes["seconds"], notes["images_per_second"])
            first, total = len(history.epochs), notes["total"]
            say(f"going on after epoch {first} of {total}")
        validate_every = 1
        if not history.epochs:
            speed, validation = self.measure_speed()
            history.images_per_second = speed
            epoch_seconds = len(self.sampler) / speed
            validate_every = max(1, math.ceil(validation / (VALIDATION_SHARE * epoch_seconds)))
            if self.limit:
                each = epoch_seconds + validation / validate_every
                total = max(1, min(total, int(0.95 * self.limit / each)))
            if self.show:
                expected = total * epoch_seconds + total / validate_every * validation
                say(f"{speed:.0f} images/s in training: {total} epochs, about {duration(expected)}")
        else:
            validate_every = notes["validate_every"]
        steps = total * len(self.train_batches)
        quicken_statistics(self.net, steps)
        average = averaged(self.net, self.recipe.average * steps)
        if history.epochs and state:
            load_state(state, {"model": self.net, "average": average}, optimizer)
        model, optimizer, loader = self.accelerator.prepare(self.net, optimizer, self.train_batches)
        with Steps("training", total, self.show) as progress:
            progress.resume_at(first)
            epoch = first
            while epoch < total:
                began = time.monotonic()
                row = self._epoch(epoch, total, model, average, optimizer, loader, progress)
                trained = time.monotonic() - began
                if (epoch + 1) % validate_every == 0 or epoch + 1 == total:
                    row["val_loss"], row[f"val_{self.objective.metric}"] = self._validate(average.module)
                row["seconds"] = time.monotonic() - began
                row["images_per_second"] = len(self.sampler) / trained
                history.epochs.append(row)
                history.seconds += row["seconds"]
                epoch += 1
                total = self._replan(history, total)
                if out and state:
                    notes = {**history.to_json(), "total": total, "validate_every": validate_every}
                    notes["spec"] = self.net.spec.to_json()
                    save_state(state, {"model": self.net, "average": average}, optimizer, notes)
                    write_metrics(out / METRICS_FILE, history)
                progress.done(epoch, _note(history), total)
        self.net.load_state_dict(average.module.state_dict())
        self.net.eval()
        return history

    def _epoch(
        self,
        epoch: int,
        total: int,
        model: nn.Module,
        average: AveragedModel,
        optimizer: Any,
        loader: DataLoader[tuple[Tensor, int]],
        progress: Steps,
    ) -> dict[str, Any]:
        torch.manual_seed(epoch_seed(self.recipe.seed, epoch))
        self.sampler.epoch = epoch
        set_training(model, self.recipe.frozen_bn)
        loss_sum, seen = 0.0, 0
        for i, (images, labels) in enumerate(loader):
            factor = rate((epoch + (i + 1) / len(loader)) / total, self.recipe.warmup)
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * factor
            loss = self._step(model, optimizer, images, labels)
            average.update_parameters(self.net)
            loss_sum += loss * len(labels)
            seen += len(labels)
            progress.done(epoch + (i + 1) / len(loader), f"epoch {epoch + 1} loss {loss_sum / seen:.3f}", total)
        return {
            "epoch": epoch + 1,
            "train_loss": loss_sum / seen,
            "val_loss": None,
            f"val_{self.objective.metric}": None,
            "lr": self.recipe.lr * factor,
        }

    def _step(self, model: nn.Module, optimizer: Any, images: Tensor, labels: Tensor) -> float:
        optimizer.zero_grad()
        targets = self.objective.targets(labels.to(self.accelerator.device))
        loss = self.objective.loss(model(self._normalise(images)), targets, self.recipe.label_smoothing)
        self.accelerator.backward(loss)
        optimizer.step()
        return loss.item()

    def _normalise(self, images: Tensor) -> Tensor:
        x = (images.to(self.accelerator.device).float() - self.mean) * self.scale
        return x.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def _validate(self, net: nn.Module) -> tuple[float | None, float | None]:
        net.eval()
        found = [(net(self._normalise(images)), labels) for images, labels in self.val_batches]
        if not found:
            return None, None
        logits = torch.cat([answers for answers, _ in found])
        targets = self.objective.targets(torch.cat([labels for _, labels in found]).to(logits.device))
        return self.objective.loss(logits, targets).item(), self.objective.score(logits, targets)

    def measure_speed(self, seconds: float = 4.0) -> tuple[float, float]:
        """(training images per second, seconds of one validation), measured on a copy: the network stays untouched."""
        net = copy.deepcopy(self.net)
        optimizer = make_optimizer(net, self.recipe)
        set_training(net, self.recipe.frozen_bn)
        images, size = self.train_batches.dataset, self.train_batches.batch_size or 1

        def step() -> None:
            pairs = [images[i % len(self.sampler)] for i in range(size)]
            batch = torch.stack([image for image, _ in pairs])
            self._step(net, optimizer, batch, torch.tensor([label for _, label in pairs]))

        step()  # the first one allocates
        began, done = time.monotonic(), 0
        while not done or (time.monotonic() - began < seconds and done < 20 * size):
            step()
            done += size
        speed = done / (time.monotonic() - began)
        began = time.monotonic()
        self._validate(net)
        return speed, time.monotonic() - began

    def _replan(self, history: History, total: int) -> int:
        """Fewer epochs when the machine turns out slower than measured; the cosine then ends earlier."""
        epoch = len(history.epochs)
        if not self.limit or epoch >= total:
            return total
        each = history.seconds / epoch
        affordable = epoch + int((self.limit - history.seconds) / each)
        return max(epoch, min(total, affordable))


def make_optimizer(net: Network, recipe: Recipe) -> Optimizer:
    """AdamW or SGD; no decay on BatchNorm and biases, the trunk at its own rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        lr = recipe.lr * (1.0 if name.startswith("head.classifier") else recipe.trunk_lr)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((lr, decay), []).append(parameter)
    options = [
        {"params": params, "lr": lr, "peak_lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(options, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(options)


def set_training(net: nn.Module, frozen_bn: bool) -> None:
    """Training mode; with `frozen_bn`, BatchNorm keeps using its stored statistics."""
    net.train()
    if frozen_bn:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def quicken_statistics(net: nn.Module, steps: int) -> None:
    """BatchNorm must forget what it started from within a fraction of the run, also in a short one.

    MobileNetV3's momentum of 0.01 was made for 500,000 steps: after 200 its statistics would still be a mixture.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.momentum is not None:
            module.momentum = max(module.momentum, min(0.1, 20 / steps))


def averaged(net: Network, horizon: float) -> AveragedModel:
    """Exponential average of weights and statistics over about `horizon` steps, shorter while it has seen few."""
    decay = 1 - 1 / max(1.0, horizon)

    def average(old: Sequence[Tensor], new: Sequence[Tensor], seen: Tensor | int) -> None:
        keep = min(decay, (1 + float(seen)) / (10 + float(seen)))
        for a, b in zip(old, new, strict=True):
            if a.is_floating_point():
                a.lerp_(b, 1 - keep)
            else:
                a.copy_(b)

    return AveragedModel(net, multi_avg_fn=average, use_buffers=True)


def write_metrics(path: Path, history: History) -> None:
    """The whole history as CSV, rewritten after each epoch so that it never holds half a line."""
    text = io.StringIO()
    own = history.epochs[0] if history.epochs else {}
    writer = csv.DictWriter(text, ["val_map" if name not in own and "val_map" in own else name for name in COLUMNS])
    writer.writeheader()
    writer.writerows(history.epochs)
    write_atomic(path, text.getvalue())


def _note(history: History) -> str:
    last = history.epochs[-1]
    score = last.get("val_top1", last.get("val_map"))
    return f"epoch {last['epoch']} loss {last['train_loss']:.3f}" + ("" if score is None else f", val {score:.1%}")


def train_network(
    net: Network,
    dataset: Dataset,
    recipe: Recipe,
    seconds: float | None = None,
    out: Path | None = None,
    show: bool = True,
) -> History:
    """Train `net` in place; `seconds` bounds the time, `out` is where state and metrics go (and are resumed from)."""
    return Trainer(net, dataset, recipe, seconds, show).run(out)

"""One run of a Trainer: epoch by epoch, step by step, by a plan that keeps to the time."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pocketvision.data.loader import mixed, stop_workers
from pocketvision.progress import Steps, say
from pocketvision.training.average import averaged
from pocketvision.training.divergence import Divergence, all_finite, is_finite
from pocketvision.training.history import History, Part
from pocketvision.training.loggers import start_loggers
from pocketvision.training.modes import quicken_statistics, set_training
from pocketvision.training.optimizer import set_rates
from pocketvision.training.pace import Pace
from pocketvision.training.plan import Plan, replan, sides, size_share
from pocketvision.training.state import load_state, save_state
from pocketvision.training.threads import ThreadWatch
from pocketvision.units import counted

if TYPE_CHECKING:
    from pocketvision.training.loop import Trainer

SAVE_SECONDS = 60.0  # at most so much of a long epoch is lost when a run is killed


class Run:
    """What `history` and `planned` say is still to do, on the trainer's network, saved in `state` (None: nowhere)."""

    def __init__(self, trainer: Trainer, out: Path | None, state: Path | None, history: History, planned: Plan) -> None:
        self.trainer, self.net, self.recipe, self.sampler = trainer, trainer.net, trainer.recipe, trainer.sampler
        self.accelerator = trainer.accelerator
        self.out, self.state, self.history, self.planned = out, state, history, planned
        trainer.validate_on(planned.validated)
        self.before = history.seconds  # of earlier processes
        self.most = planned.horizon if trainer.limit is None else planned.most(self.recipe, trainer.passes)
        quicken_statistics(self.net, planned.horizon)
        self.average = averaged(self.net, self.recipe.average * planned.horizon)
        self.best = copy.deepcopy(self.average) if self.recipe.patience else None
        self.modules: dict[str, nn.Module] = {"model": self.net, "average": self.average}
        if self.best is not None:
            self.modules["best"] = self.best
        self.saved: float | None = None  # passes that the state reaches
        self.pace = Pace(self.elapsed())
        told = say if trainer.show else lambda _: None
        self.watch = ThreadWatch(trainer.thread_counts, history.images_per_second or None, told)
        self.sampler.side_at = sides(self.recipe, self.net.preprocessing.resolution, lambda: self.planned)

    def load(self, optimizer: Optimizer, notes: dict[str, Any]) -> None:
        """Put back what an earlier process saved."""
        assert self.state is not None
        load_state(self.state, self.modules, optimizer)
        if self.accelerator.scaler is not None and notes["scaler"]:
            self.accelerator.scaler.load_state_dict(notes["scaler"])
        self.saved = self.history.passes
        if self.trainer.threads != notes["threads"] and len(self.trainer.thread_counts) > 1:
            self.trainer.threads = min(notes["threads"], max(self.trainer.thread_counts))
        if self.trainer.threads != notes["threads"] and self.trainer.show:
            say(
                f"the run was begun with {counted(notes['threads'], 'thread')} and goes on with "
                f"{self.trainer.threads}: "
                "the last digits of its sums differ from those of an unbroken run"
            )

    def train(self, optimizer: Optimizer) -> History:
        """To the end of the plan; the network then has the averaged weights, or with patience the best ones."""
        self.optimizer = optimizer
        set_training(self.net, self.recipe)  # several processes share the gradients of what learns at this moment
        model, stepping, loader = self.accelerator.prepare(self.net, optimizer, self.trainer.train_batches)
        start_loggers(self.accelerator, self.trainer.loggers, self.out, self.recipe)
        try:
            with Steps(self.trainer.label, self.planned.epochs, self.trainer.show) as progress:
                progress.resume_at(self.history.passes)
                while not self.is_over():
                    self._epoch(model, stepping, loader, progress)
                    self._end_epoch()
                    progress.done(self.history.passes, self.history.note(), self.planned.epochs)
        finally:
            stop_workers(loader.base_dataloader)
            stop_workers(self.trainer.val_batches)
        kept = self.best if self.best is not None and self.history.best_epoch else self.average
        weights = kept.module.state_dict()
        self._require_finite(weights.values())
        self.net.load_state_dict(weights)
        self.net.eval()
        self.history.seconds = self.elapsed()
        self.accelerator.end_training()  # of several processes: from now on they cannot speak with each other
        return self.history

    def elapsed(self) -> float:
        """Seconds that the run has taken, in all processes that worked on it."""
        spent: float = self.trainer.together(self.before + time.monotonic() - self.trainer.began)
        return spent

    def is_over(self) -> bool:
        return self.history.stopped_early or self.steps() >= self.planned.total

    def steps(self) -> int:
        """Steps of the plan that are done."""
        return self.planned.steps_before(len(self.history.epochs)) + self.history.part.steps

    def _epoch(self, model: nn.Module, optimizer: Any, loader: Any, progress: Steps) -> None:
        epoch, part = len(self.history.epochs), self.history.part
        self.sampler.epoch, self.sampler.start = epoch, part.steps
        set_training(self.net, self.recipe)
        saved = at = self.elapsed()
        self.pace.restart(at)
        for images, labels in loader:
            # At each step, not each epoch: loaders draw from the same generator when they start, and a resumed run
            # starts them at another time.
            torch.manual_seed(mixed(self.recipe.seed, epoch, part.steps, self.accelerator.process_index))
            along = self.planned.progress(self.steps() + 1)
            set_rates(optimizer, along, self.recipe, 0.5 if self.planned.first else 1.0)
            loss = self.trainer.step(model, optimizer, images, labels)
            if not is_finite(loss):
                self._diverge()
            self.average.update_parameters(self.net)
            part.steps, part.images = part.steps + 1, part.images + len(labels)
            part.loss_sum, part.side = part.loss_sum + loss * len(labels), images.shape[-2]
            self.history.passes = epoch + part.steps / self.planned.epoch_steps
            before, at = at, self.elapsed()
            part.seconds += at - before
            self.pace.step(at, self.recipe, along)
            self.watch.step(at - before, len(labels) * size_share(self.recipe, along) ** 2)
            self._keep_to_the_time(at)
            note = f"epoch {epoch + 1} loss {part.loss_sum / part.images:.3f}"
            progress.done(self.history.passes, note, self.planned.epochs)
            if part.steps == self.planned.epoch_steps:
                continue  # the loader ends by itself
            if self.is_over():
                loader.end()  # accelerate notes which loader is at work, and would forget it only at its end
                break
            if at - saved > SAVE_SECONDS:
                self._save()
                saved = at = self.elapsed()
                self.pace.restart(at)

    def _end_epoch(self) -> None:
        history, part, trained = self.history, self.history.part, self.elapsed()
        over, judged = self.is_over(), self.planned.validates(len(history.epochs))
        row: dict[str, float | None] = {
            "epoch": len(history.epochs) + 1,
            "train_loss": part.loss_sum / part.images,
            "val_loss": None,
            f"val_{self.trainer.step.objective.metric}": None,
            "lr": max(group["lr"] for group in self.optimizer.param_groups),
            "resolution": part.side,
        }
        if judged:
            self._judge(row)
        # Of all processes: each has an equal share of a batch.
        row["images_per_second"] = part.images * self.accelerator.num_processes / part.seconds
        history.epochs.append(row)
        history.part = Part()
        if not over:
            self._keep_to_the_time(self.elapsed(), force=True)
        if self.is_over() and not judged:  # the time was up sooner than planned
            self._judge(row)
        row["seconds"] = part.seconds + self.elapsed() - trained
        if self.best is not None and history.best_epoch == len(history.epochs):
            self.best.load_state_dict(self.average.state_dict())
        history.stopped_early = self._loses_patience()
        self._save()
        self.accelerator.log({k: v for k, v in row.items() if v is not None}, step=len(history.epochs))

    def _judge(self, row: dict[str, float | None]) -> None:
        began = self.elapsed()
        found = self.trainer.step.validate(self.average.module, self.trainer.val_batches)
        # BatchNorm's statistics are each process's own; the first one's are saved, and all have to stop together.
        row["val_loss"], row[f"val_{self.trainer.step.objective.metric}"] = self.trainer.together(found)
        if not is_finite(row["val_loss"]):
            self._diverge()
        if self.trainer.limit is not None:
            self.planned = replace(self.planned, validation_seconds=self.elapsed() - began)

    def _keep_to_the_time(self, at: float, force: bool = False) -> None:
        """Plan the rest anew by what a step takes now; the run ends here when there is no time for another."""
        limit = self.trainer.limit
        if limit is None:
            return
        left = limit - (at - self.planned.begun)
        seconds = self.pace.due(limit, left - self.planned.validation_seconds, force)
        if seconds is not None:
            self.planned = replan(self.planned, self.recipe, self.steps(), left, limit, seconds, self.most)

    def _save(self) -> None:
        optimizer = self.optimizer
        tensors = [tensor for module in self.modules.values() for tensor in module.state_dict().values()]
        tensors += [value for entries in optimizer.state.values() for value in entries.values() if value is not None]
        self._require_finite(tensors)
        self.history.seconds = self.elapsed()
        if self.out is None or self.state is None or not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        notes = {
            **self.history.to_json(),
            "plan": self.planned.to_json(),
            "spec": self.net.spec.to_json(),
            "threads": torch.get_num_threads(),
            "scaler": scaler.state_dict() if scaler is not None else None,
        }
        save_state(self.state, self.modules, optimizer, notes)
        Divergence.forget(self.state)
        self.saved = self.history.passes
        self.history.write(self.out)

    def _require_finite(self, tensors: Iterable[Tensor]) -> None:
        if not self.trainer.together(all_finite(tensors)):  # what is not in the first process is not saved
            self._diverge()

    def _diverge(self) -> NoReturn:
        found = Divergence(len(self.history.epochs) + 1, self.recipe.lr, self.elapsed())
        if self.state is not None and self.accelerator.is_main_process:
            found.write(self.state)
        raise found.error(self.saved)

    def _loses_patience(self) -> bool:
        best = self.history.best_epoch
        return bool(self.recipe.patience and best and len(self.history.epochs) - best >= self.recipe.patience)

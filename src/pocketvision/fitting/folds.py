"""`train --folds`: for data too small to spare a validation split, every image is held out once.

As many networks as there are folds are trained from the same start, each judged on the fold that it has not seen. Then
one is trained on all images with the same recipe: that is the network to use, and the folds say how good it should be.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pocketvision import __version__
from pocketvision.data.dataset import Dataset
from pocketvision.data.doctor import Examination, same_pictures
from pocketvision.data.folds import all_folds, deal_folds, hold_out_fold
from pocketvision.data.record import SPLITS, provenance_of
from pocketvision.data.splits import load_splits, save_splits
from pocketvision.errors import InputError
from pocketvision.evaluation import evaluate_samples, wilson
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.runfolder import RunFolder
from pocketvision.runtimes import torch as runtime
from pocketvision.training.divergence import Diverged
from pocketvision.training.loop import train_network
from pocketvision.training.recipe import Recipe
from pocketvision.units import counted
from pocketvision.weights import save

RESULT, MODEL = "result.json", "model.safetensors"

TrainOne = Callable[[RunFolder, Network, Dataset, Recipe, float | None, float | None], dict[str, Any]]
"""Trains a network on `dataset`'s train split, judges it on val and writes all that into the folder.

The last two are the most seconds and the most passes over the images (None: the recipe's epochs).
"""


@dataclasses.dataclass(frozen=True)
class CrossValidation:
    """`folds` trainings of `make()`, which gives the same fresh network each time, and one on all images."""

    folds: int
    make: Callable[[], Network]
    train_one: TrainOne
    recipe: Recipe
    seconds: float | None  # for all trainings together
    settings: dict[str, Any]
    fresh: bool = False
    show: bool = True
    command: str | None = None
    device: str = "auto"

    def run(self, folder: RunFolder, dataset: Dataset, seen: Examination) -> dict[str, Any]:
        """Fold by fold in `folder`/fold-1 and so on, each resumed or skipped; then the network on all images.

        What `seen` found to be copies of one picture is held out together. Returns and writes
        `{model, file, split, images, top1, top5, top1_interval, top1_mean, top1_std, folds, ...}`: `top1` counts each
        image once, in the fold that held it out; mean and standard deviation are over the folds. InputError when
        the data cannot be dealt into so many folds.
        """
        dealt = self._deal(folder, dataset, seen)
        passes: float | None = None
        found: list[dict[str, Any]] = []
        with contextlib.ExitStack() as stack:
            # All at once: with `fresh`, no fold of an earlier deal may be left when this run is stopped half way.
            homes = [
                stack.enter_context(self._home(folder.out, dealt, name)) for name in dealt.splits if name != "test"
            ]
            for number, home in enumerate(homes, 1):
                result = home.read(RESULT)
                if result is None:
                    if self.show:
                        say(f"fold {number} of {self.folds}")
                    held_out = hold_out_fold(dealt, f"fold-{number}")
                    limit = self._share(found)
                    try:
                        result = self.train_one(home, self.make(), held_out, self.recipe, limit, passes)
                    except Diverged as error:
                        advice = f"{error.found.remedy}, with --fresh: all folds are trained alike"
                        raise InputError(f"fold {number} of {self.folds}: {error.found}; {advice}") from error
                found.append({"fold": number, **result})
                # What time allowed the first fold, no other exceeds, so that the networks can be compared.
                passes = found[0]["epochs"]
        return self._train_on_all(folder, all_folds(dealt), passes, found)

    def _share(self, found: list[dict[str, Any]]) -> float | None:
        """Seconds for the next training: of what the earlier ones have left, an equal share of those to come."""
        if self.seconds is None:
            return None
        return max(0.0, self.seconds - sum(fold["seconds"] for fold in found)) / (self.folds + 1 - len(found))

    def _deal(self, folder: RunFolder, dataset: Dataset, seen: Examination) -> Dataset:
        path = folder.out / SPLITS
        if path.is_file():
            return load_splits(path, dataset)
        dealt = deal_folds(dataset, self.folds, self.recipe.seed, same_pictures(seen, dataset))
        save_splits(dealt, path)
        return dealt

    def _home(self, out: Path, dealt: Dataset, fold: str) -> RunFolder:
        """The folder of a fold; one that was begun with other held-out images is refused."""
        held_out = hashlib.sha256("\n".join(sample.name for sample in dealt.splits[fold]).encode()).hexdigest()[:16]
        return RunFolder(out / fold, {**self.settings, "held_out": held_out}, RESULT, self.fresh)

    def _train_on_all(
        self, folder: RunFolder, dataset: Dataset, passes: float | None, found: list[dict[str, Any]]
    ) -> dict[str, Any]:
        if self.show:
            say(f"all {counted(len(dataset.splits['train']), 'image')}")
        net = self.make()
        folder.write("recipe.json", self.recipe.to_json())
        limit = self._share(found)
        history = train_network(
            net, dataset, self.recipe, limit, folder.out, self.show, device=self.device, passes=passes
        )
        net.to("cpu")
        net.metrics = pooled(found)
        if dataset.splits.get("test"):
            net.metrics["test"] = evaluate_samples(runtime.load(net), dataset.splits["test"], self.show).to_json()
        made_by = {"command": self.command, "seed": self.recipe.seed, "pocketvision": __version__}
        net.provenance.update(provenance_of(dataset), **made_by)
        save(net, folder.out / MODEL)
        report = {
            "model": net.spec.name,
            "file": str(folder.out / MODEL),
            **net.metrics,
            "epochs": history.count,
            "seconds": history.seconds + sum(fold["seconds"] for fold in found),
            "folds": found,
        }
        folder.write(RESULT, report)  # last: its presence says that the run is finished
        return report


def pooled(found: list[dict[str, Any]]) -> dict[str, Any]:
    """One figure from all folds: each image counted once, the mean over the folds and its standard deviation.

    The interval is that of as many independent answers. The networks share most of their training images, which it does
    not know; it is a little too narrow for that. Where images have several labels, `map` and the others are means over
    the folds by images, without an interval.
    """
    images = sum(fold["images"] for fold in found)
    metric = "map" if "map" in found[0] else "top1"
    keys: list[str] = [key for key in ("top1", "top5", "map", "f1", "exact") if key in found[0]]
    shares = {key: sum(fold[key] * fold["images"] for fold in found) / images for key in keys}
    each = [fold[metric] for fold in found]
    return {
        "split": f"{len(found)} folds",
        "images": images,
        **shares,
        **({"top1_interval": list(wilson(shares["top1"], images))} if metric == "top1" else {}),
        f"{metric}_mean": statistics.mean(each),
        f"{metric}_std": statistics.stdev(each),
    }

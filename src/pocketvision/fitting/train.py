"""`train`: one network, chosen by the user, on the user's images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from pocketvision import __version__
from pocketvision.arguments import as_annotated
from pocketvision.data.dataset import Dataset
from pocketvision.data.kept import keeping_images
from pocketvision.data.preprocessing import shown_whole
from pocketvision.data.record import provenance_of
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import require_classes
from pocketvision.errors import InputError
from pocketvision.evaluation import evaluate_samples
from pocketvision.files import file_name
from pocketvision.fitting.accuracy import judge, shortfalls
from pocketvision.fitting.doctor import embedding_of
from pocketvision.fitting.folds import CrossValidation
from pocketvision.fitting.insight import calibrate_network
from pocketvision.fitting.request import check_train, is_weights
from pocketvision.fitting.survey import input_channels, survey
from pocketvision.models import build_with, spec_for, spec_of
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.runfolder import RunFolder, examine_once, split_once
from pocketvision.runtimes import torch as runtime
from pocketvision.training.device import make_accelerator
from pocketvision.training.loop import Trainer
from pocketvision.training.plan import More
from pocketvision.training.recipe import Recipe, fine_tune, from_scratch, parse_settings
from pocketvision.weights import open_weights, save

RESULT, MODEL = "result.json", "model.safetensors"


@as_annotated("data", "model", "time")
def train(
    data: str | Path,
    model: str | Path,
    *,
    width: float | None = None,
    resolution: int | None = None,
    channels: int | None = None,
    groups: int | None = None,
    bypass: str | None = None,
    pretrained: str | Path | None = None,
    epochs: int | None = None,
    time: str | None = None,
    lr: float | None = None,
    folds: int | None = None,
    recipe: Recipe | None = None,
    settings: Mapping[str, str] | None = None,
    more_time: str | None = None,
    device: str = "auto",
    log: Sequence[str] = (),
    out: str | Path | None = None,
    seed: int = 0,
    fresh: bool = False,
    strict: bool = False,
    download: bool = False,
    show: bool = True,
    command: str | None = None,
) -> dict[str, Any]:
    """Train the network `model` on `data`; returns and writes what came of it.

    `model` is a name that `list_models` knows; or a file, folder or "hf:owner/name", whose weights it starts from.
    `epochs` (or the recipe's) and `time`, whichever ends first. `settings` change fields of the recipe, as text:
    {"mixup": "0.2"}. `more_time` trains a finished run in `out` for that much longer. Writes model.safetensors,
    recipe.json, metrics.csv and result.json into `out`; the same call goes on with an unfinished run there. The data is
    examined first; images that cannot be read are left out, or with `strict` an InputError. So is other bad input.
    `download` allows to fetch built-in data.

    With `folds`, for few images: cross-validation on all of train and val, fold by fold in out/fold-1 and so on, and
    then the network trained on all of them, whose accuracy is that of the folds; `time` is shared by all trainings.
    """
    seconds = check_train(
        data, model, width, resolution, channels, groups, bypass, pretrained, epochs, time, lr, folds, settings or {},
        more_time, device, log,
    )  # fmt: skip
    own = model if is_weights(model) else None
    dataset = open_dataset(data, download=download)
    require_classes(dataset)
    start = own or pretrained
    weights = open_weights(start) if start else None
    looked = survey(dataset.splits["train"])
    channels = channels or input_channels(looked, weights)
    if own and weights:
        spec = spec_of(weights, resolution, len(dataset.classes), channels)
    else:
        spec = spec_for(str(model), width, resolution, len(dataset.classes), channels, weights, groups, bypass)
    accelerator = make_accelerator(device)
    changes: dict[str, Any] = {**parse_settings(settings or {}), "seed": seed, "epochs": epochs, "lr": lr}
    recipe = dataclasses.replace(
        recipe or (fine_tune if weights else from_scratch)(channels, len(dataset.splits["train"])),
        **{k: v for k, v in changes.items() if v is not None},
    )

    def make() -> Network:
        torch.manual_seed(seed)
        net = build_with(spec, dataset.classes, weights)
        net.task = dataset.task
        net.preprocessing = shown_whole(net.preprocessing, looked.side)
        return net

    def train_one(
        folder: RunFolder,
        net: Network,
        data: Dataset,
        how: Recipe,
        limit: float | None,
        passes: float | None = None,
        more: More | None = None,
    ) -> dict[str, Any]:
        trainer = Trainer(net, data, how, limit, show, device, tuple(log), passes=passes)
        return _run(folder, trainer, data, more, show, command)

    kept: dict[str, Any] = {
        "data": str(data),
        "spec": spec.to_json(),
        "recipe": recipe.to_json(),
        "seconds": seconds,
        "pretrained": str(start) if start else None,
    }
    name = file_name(f"{dataset.name}-{spec.name}")
    if folds is not None:
        kept, name = {**kept, "folds": folds}, f"{name}-{folds}folds"
    home = Path(out or Path("runs") / name)
    turn = ExitStack()
    turn.enter_context(accelerator.main_process_first())  # of several: the others read what it found and split
    fresh = fresh and accelerator.is_main_process
    with turn, RunFolder(home, kept, RESULT, fresh, dataset) as folder, keeping_images():
        finished = folder.read(RESULT)
        folder.note_data(more_time, show)
        more = folder.continuation(more_time)
        if finished is None or more:
            dataset, seen = examine_once(folder, dataset, lambda: embedding_of(weights), strict, show)
            if folds is not None:
                crossed = CrossValidation(folds, make, train_one, recipe, seconds, kept, fresh, show, command, device)
                return crossed.run(folder, dataset, seen)
            dataset = split_once(folder, dataset, seed, seen)
            turn.close()
            return train_one(folder, make(), dataset, recipe, seconds, more=more)
    if show:
        say(f"{folder.out} holds this run, finished: nothing to do (--fresh starts it again, --more-time goes on)")
    return finished


def _run(
    folder: RunFolder, trainer: Trainer, dataset: Dataset, more: More | None, show: bool, command: str | None
) -> dict[str, Any]:
    net, recipe = trainer.net, trainer.recipe
    main = trainer.accelerator.is_main_process
    if main:
        folder.write("recipe.json", recipe.to_json())
    history = trainer.run(folder.out, more)
    net.to("cpu")
    split_name = _held_out(dataset.splits)
    if dataset.splits.get("val"):
        calibrate_network(net, dataset.splits["val"], show)
    result = evaluate_samples(runtime.load(net), dataset.splits[split_name], show)
    net.metrics = {**result.to_json(), "split": split_name}
    net.provenance.update(provenance_of(dataset), command=command, seed=recipe.seed, pocketvision=__version__)
    if main:
        save(net, folder.out / MODEL)
    report = {
        "model": net.spec.name,
        "file": str(folder.out / MODEL),
        **net.metrics,
        f"{result.metric}_interval": list(result.interval),
        "epochs": history.count,
        "seconds": history.seconds,
    }
    if show and main:
        for missing in shortfalls(judge(result), dataset.classes)[:1]:
            say(f"not usable yet: {missing}")
    if main:
        folder.write(RESULT, report)  # last: its presence says that the run is finished
        folder.continued()
    return report


def _held_out(splits: Mapping[str, Sequence[Any]]) -> str:
    for name in ("test", "val"):
        if splits.get(name):
            return name
    raise InputError("no image is left for validation: give more than one image of a class")

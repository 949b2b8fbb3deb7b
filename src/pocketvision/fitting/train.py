"""`train`: one network, chosen by the user, on the user's images."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pocketvision import __version__
from pocketvision.data.dataset import Dataset
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import require_classes
from pocketvision.errors import InputError
from pocketvision.evaluation import evaluate_samples
from pocketvision.fitting.folds import CrossValidation
from pocketvision.fitting.survey import survey
from pocketvision.models import create_model, create_spec
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.runfolder import RunFolder, split_once
from pocketvision.runtimes import torch as runtime
from pocketvision.training.loop import train_network
from pocketvision.training.recipe import Recipe, fine_tune, from_scratch
from pocketvision.units import parse_duration
from pocketvision.weights import read_state, recognise, save

RESULT, MODEL = "result.json", "model.safetensors"


def train(
    data: str | Path,
    model: str,
    *,
    width: float | None = None,
    resolution: int | None = None,
    channels: int | None = None,
    pretrained: str | Path | None = None,
    epochs: int | None = None,
    time: str | None = None,
    lr: float | None = None,
    folds: int | None = None,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    fresh: bool = False,
    download: bool = False,
    show: bool = True,
    command: str | None = None,
) -> dict[str, Any]:
    """Train the network `model` (a name that `list_models` knows) on `data`; returns and writes what came of it.

    `epochs` (or the recipe's) and `time`, whichever ends first. Writes model.safetensors, recipe.json, metrics.csv and
    result.json into `out`; the same call goes on with an unfinished run there. `download` allows to fetch built-in
    data. InputError for bad input.

    With `folds`, for few images: cross-validation on all of train and val, fold by fold in out/fold-1 and so on, and
    then the network trained on all of them, whose accuracy is that of the folds; `time` is shared by all trainings.
    """
    seconds = parse_duration(time, "time") if time else None
    dataset = open_dataset(data, download=download)
    require_classes(dataset)
    state = read_state(pretrained) if pretrained else None
    if state:
        recognise(state, str(pretrained))
    channels = channels or (3 if state else survey(dataset.splits["train"]).channels)
    spec = create_spec(model, width, resolution, len(dataset.classes), channels)
    changes: dict[str, Any] = {"seed": seed, "epochs": epochs, "lr": lr}
    recipe = dataclasses.replace(
        recipe or (fine_tune(channels, len(dataset.splits["train"])) if state else from_scratch(channels)),
        **{k: v for k, v in changes.items() if v is not None},
    )

    def make() -> Network:
        torch.manual_seed(seed)
        net = create_model(model, width, resolution, dataset.classes, channels, weights=state)
        if pretrained:
            net.provenance["pretrained"] = Path(pretrained).name
        net.task = dataset.task
        return net

    settings: dict[str, Any] = {
        "data": str(data),
        "spec": spec.to_json(),
        "recipe": recipe.to_json(),
        "seconds": seconds,
        "pretrained": str(pretrained) if pretrained else None,
    }
    name = f"{dataset.name}-{spec.name}"
    if folds is not None:
        settings, name = {**settings, "folds": folds}, f"{name}-{folds}folds"
        train_one = functools.partial(_run, show=show, command=command)
        crossed = CrossValidation(folds, make, train_one, recipe, seconds, settings, fresh, show, command)
    with RunFolder(Path(out or Path("runs") / name), settings, RESULT, fresh) as folder:
        finished = folder.read(RESULT)
        if finished is None and folds is not None:
            return crossed.run(folder, dataset)
        if finished is None:
            return _run(folder, make(), split_once(folder, dataset, seed), recipe, seconds, show, command)
    if show:
        say(f"{folder.out} holds this run, finished: nothing to do (--fresh starts it again)")
    return finished


def _run(
    folder: RunFolder,
    net: Network,
    dataset: Dataset,
    recipe: Recipe,
    seconds: float | None,
    show: bool,
    command: str | None,
) -> dict[str, Any]:
    folder.write("recipe.json", recipe.to_json())
    history = train_network(net, dataset, recipe, seconds, folder.out, show)
    split_name = _held_out(dataset.splits)
    result = evaluate_samples(runtime.load(net), dataset.splits[split_name], show)
    net.metrics = {**result.to_json(), "split": split_name}
    net.provenance.update(data=dataset.name, command=command, seed=recipe.seed, pocketvision=__version__)
    save(net, folder.out / MODEL)
    report = {
        "model": net.spec.name,
        "file": str(folder.out / MODEL),
        **net.metrics,
        f"{result.metric}_interval": list(result.interval),
        "epochs": len(history.epochs),
        "seconds": history.seconds,
    }
    folder.write(RESULT, report)  # last: its presence says that the run is finished
    return report


def _held_out(splits: Mapping[str, Sequence[Any]]) -> str:
    for name in ("test", "val"):
        if splits.get(name):
            return name
    raise InputError("no image is left for validation: give more than one image of a class")

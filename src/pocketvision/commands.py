"""The commands. Each is a Python function of the same name with the same arguments, plus how its result is shown."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from pocketvision.errors import InputError
from pocketvision.report import columns, text

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes.predictor import Exported

Model = Annotated[str, Argument(metavar="MODEL", help="A name that `pocketvision models` lists, or a model file.")]
Data = Annotated[
    str,
    Argument(metavar="DATA", help="Folder of class folders, CSV, .tar or .zip of these, `digits` or `fashion-mnist`."),
]
Width = Annotated[float | None, Option(help="Width multiplier, such as 0.75.")]
Resolution = Annotated[int | None, Option(help="Side of the input in pixels.")]
Classes = Annotated[int | None, Option(help="Number of classes.")]
Channels = Annotated[int | None, Option(help="Input channels: 1 grey, 3 colour.")]
Pretrained = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help="Weights to start from: torchvision's mobilenet_v2 file, a model file of ours, or auto to download.",
    ),
]
Threads = Annotated[int, Option(help="Threads of the runtime.")]
Runtime = Annotated[str, Option(help="Engine: onnxruntime, torch, or all.")]
Out = Annotated[Path | None, Option(metavar="DIR", help="Folder of the run; an unfinished run in it is gone on with.")]
Fresh = Annotated[bool, Option("--fresh", help="Forget what an earlier run in the folder did.")]
MoreTime = Annotated[
    str | None, Option(metavar="TIME", help="Train a finished run in the folder for that much longer.")
]
Device = Annotated[str, Option(help="Where to train: auto, cpu, cuda or mps.")]
Log = Annotated[
    list[str] | None, Option(metavar="NAME", help="tensorboard or wandb, besides metrics.csv (may be repeated).")
]
Download = Annotated[bool, Option("--download", help="Fetch built-in data that is not on this machine.")]
Strict = Annotated[bool, Option("--strict", help="An image that cannot be read is an error, not left out.")]
Seed = Annotated[int, Option(help="All randomness comes from it.")]
PIPE_WIDTH = 160  # letters a line where no terminal sets a limit: tables keep their names in one piece

Json = Annotated[bool, Option("--json", help="Print one JSON document on standard output.")]


def fit(
    data: Data,
    budget: Annotated[str, Option(help="Longest time for one image on this device, such as 5ms.")],
    time: Annotated[str, Option(help="Longest time for training, such as 8m.")] = "30m",
    threads: Threads = 1,
    runtime: Annotated[str, Option(help="Engine that the network is for.")] = "onnxruntime",
    pretrained: Pretrained = None,
    max_macs: Annotated[str | None, Option(metavar="N", help="Most multiply-adds, such as 100M.")] = None,
    max_params: Annotated[str | None, Option(metavar="N", help="Most parameters, such as 2M.")] = None,
    max_size: Annotated[str | None, Option(metavar="SIZE", help="Largest file, such as 4MB.")] = None,
    max_memory: Annotated[
        str | None, Option(metavar="SIZE", help="Most memory for weights and feature maps, such as 8MB.")
    ] = None,
    more_time: MoreTime = None,
    device: Device = "auto",
    log: Log = None,
    out: Out = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    strict: Strict = False,
    download: Download = False,
    json: Json = False,
) -> None:
    """The most accurate network for your images that keeps a budget on this device."""
    from pocketvision.fitting.job import default_out
    from pocketvision.fitting.job import fit as run
    from pocketvision.report.terminal import verdict_panel

    out = out or default_out(data, budget)
    report = run(
        data, budget, time=time, threads=threads, runtime=runtime, pretrained=pretrained,
        max_macs=max_macs, max_params=max_params, max_size=max_size, max_memory=max_memory,
        more_time=more_time, device=device, log=log or (), out=out, seed=seed, fresh=fresh, strict=strict,
        download=download, command=_command(),
    )  # fmt: skip
    if json:
        _print_json(report)
    else:
        verdict_panel(report, _console(), out)
    if not report["verdict"]["budget_met"]:
        sys.exit(1)


def models(
    pattern: Annotated[str, Argument(help="Shell pattern, such as 'mobilenet_v3*'.")] = "*", json: Json = False
) -> None:
    """The networks and their published variants, with costs."""
    from pocketvision.models.catalogue import catalogue

    rows = catalogue(pattern)
    if not rows:
        raise InputError(f"no model matches {pattern!r}: `pocketvision models` lists all")
    _show(rows, columns.MODELS, json)


def profile(
    model: Model,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    json: Json = False,
) -> None:
    """Where a network's parameters, multiply-adds and time go, row by row."""
    from pocketvision.measure.profile import profile as run

    result = run(_network(model, width, resolution, classes, channels))
    if json:
        _print_json(result)
        return
    _show(result["rows"], columns.PROFILE_ROWS)
    _show([{"kind": kind, **values} for kind, values in result["kinds"].items()], columns.PROFILE_KINDS)


def train(
    data: Data,
    model: Annotated[str, Option(metavar="MODEL", help="A name that `pocketvision models` lists.")],
    width: Width = None,
    resolution: Resolution = None,
    channels: Channels = None,
    pretrained: Pretrained = None,
    epochs: Annotated[int | None, Option(help="Epochs; the recipe's by default.")] = None,
    time: Annotated[str | None, Option(help="Longest time for training, such as 8m.")] = None,
    lr: Annotated[float | None, Option(help="Peak learning rate; the recipe's by default.")] = None,
    folds: Annotated[int | None, Option(help="Cross-validate: hold out every image once, in so many folds.")] = None,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="Another field of the recipe, such as mixup=0.2 (may be repeated)."),
    ] = None,
    more_time: MoreTime = None,
    device: Device = "auto",
    log: Log = None,
    out: Out = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    strict: Strict = False,
    download: Download = False,
    json: Json = False,
) -> None:
    """Train one network on your images."""
    from pocketvision.fitting.train import train as run
    from pocketvision.progress import is_first_process

    result = run(
        data, model, width=width, resolution=resolution, channels=channels, pretrained=pretrained, epochs=epochs,
        time=time, lr=lr, folds=folds, settings=_pairs(settings or []), more_time=more_time, device=device,
        log=log or (), out=out,
        seed=seed, fresh=fresh, strict=strict, download=download, command=_command(),
    )  # fmt: skip
    if not is_first_process():
        return
    each = [{**fold, "model": f"fold {fold['fold']}"} for fold in result.get("folds", ())]
    _show([*each, result], columns.TRAIN_MULTILABEL if "map" in result else columns.TRAIN, json, result)


def evaluate(
    model: Model,
    data: Data,
    split: Annotated[str | None, Option(help="train, val or test; by default test, else val, else all.")] = None,
    width: Width = None,
    resolution: Resolution = None,
    pretrained: Pretrained = None,
    download: Download = False,
    json: Json = False,
) -> None:
    """How often a network is right on labelled images."""
    from pocketvision.evaluation import evaluate as run

    result = run(_trained(model, width, resolution, pretrained), data, split, download)
    _show([result], columns.EVAL_MULTILABEL if "map" in result else columns.EVAL, json, result)


def predict(
    model: Model,
    images: Annotated[list[Path], Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, Option(help="Answers for each image.")] = 3,
    width: Width = None,
    resolution: Resolution = None,
    pretrained: Pretrained = None,
    json: Json = False,
) -> None:
    """What is in these images? Those that cannot be read are named, and the others answered."""
    from pocketvision.data.reading import Skipped
    from pocketvision.evaluation import as_runnable
    from pocketvision.runtimes.predictor import predict as run

    if top < 1:
        raise InputError(f"--top {top}: give 1 or more")
    skipped = None if len(images) == 1 else Skipped()  # of one image the error says it all
    results = run(as_runnable(_trained(model, width, resolution, pretrained)), images, skipped=skipped)
    if skipped:
        skipped.say(len(images))
    rows = [
        {
            "image": result.image if i == 0 else "",
            "name": name,
            "probability": probability,
            "unsure": f"below {text.percent(result.threshold)}" if i == 0 and result.unsure else "",
        }
        for result in results
        for i, (_, name, probability) in enumerate(result.top(top))
    ]
    shown = columns.PREDICT if any(result.unsure for result in results) else columns.PREDICT[:-1]
    _show(rows, shown, json, [result.to_json(top) for result in results])


def export(
    model: Model,
    to: Annotated[str, Option(help="Format: onnx.")] = "onnx",
    out: Annotated[Path | None, Option(metavar="FILE", help="File to write; by default the model's name.")] = None,
    images: Annotated[list[Path] | None, Option(help="Image to compare the two on (may be repeated).")] = None,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    pretrained: Pretrained = None,
    json: Json = False,
) -> None:
    """Write a network for another runtime, run it there, and compare."""
    from pocketvision.exporting import export as run

    net = _network(model, width, resolution, classes, channels, pretrained)
    result = run(net, to, out, images)
    _show([result], columns.EXPORT, json, result)


def bench(
    models: Annotated[list[str], Argument(metavar="MODEL...", help="Names or model files.")],
    runtime: Runtime = "onnxruntime",
    threads: Threads = 1,
    batch: Annotated[int, Option(help="Images per call.")] = 1,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    json: Json = False,
) -> None:
    """How long networks take on this device, timed in turn."""
    from pocketvision.measure.bench import bench as run

    if threads < 1 or batch < 1:
        raise InputError(f"--threads {threads} --batch {batch}: give 1 or more of each")
    nets = [
        model if model.endswith(".onnx") else _network(model, width, resolution, classes, channels) for model in models
    ]
    _show(run(nets, runtime, threads, batch), columns.BENCH, json)


def doctor(data: Data, pretrained: Pretrained = None, strict: Strict = False, json: Json = False) -> None:
    """What is in your images, and what is wrong with them."""
    from pocketvision.fitting.doctor import doctor as run

    seen = run(data, pretrained=pretrained, strict=strict)
    if json:
        _print_json(seen)
        return
    from pocketvision.report.diagnosis import diagnosis

    diagnosis(seen, _console())


COMMANDS: dict[str, Callable[..., None]] = {
    "fit": fit,
    "doctor": doctor,
    "models": models,
    "profile": profile,
    "train": train,
    "eval": evaluate,
    "predict": predict,
    "export": export,
    "bench": bench,
}


def _pairs(settings: list[str]) -> dict[str, str]:
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"--set {setting}: give NAME=VALUE, such as mixup=0.2")
    return dict(setting.split("=", 1) for setting in settings)


def _is_file(model: str) -> bool:
    path = Path(model)
    return path.exists() or "/" in model or path.suffix in (".safetensors", ".onnx", ".pth", ".pt")


def _trained(model: str, width: float | None, resolution: int | None, pretrained: Path | None) -> Network | Exported:
    """A network with weights: from a file of ours, or a name and `pretrained`."""
    if _is_file(model):
        from pocketvision.loading import load

        if width or resolution or pretrained:
            raise InputError(
                f"{model} is a file with its own weights and size: leave out --width, --resolution, --pretrained"
            )
        return load(model)
    net = _network(model, width, resolution, None, None, pretrained)
    if not pretrained:
        raise InputError(f"{model} is only an architecture: give --pretrained FILE, or a model file")
    return net.eval()


def _network(
    model: str,
    width: float | None,
    resolution: int | None,
    classes: int | None,
    channels: int | None,
    pretrained: Path | None = None,
) -> Network:
    """A network with its architecture: from a model file, or built from its name."""
    if _is_file(model):
        from pocketvision.loading import load
        from pocketvision.network import Network

        net = load(model)
        if not isinstance(net, Network):
            raise InputError(f"{model} is an exported file, its architecture is gone: give the model.safetensors")
        return net
    from pocketvision.models import create_model

    return create_model(model, width, resolution, classes, 3 if channels is None else channels, pretrained).eval()


def _command() -> str:
    import shlex

    return shlex.join(["pocketvision", *sys.argv[1:]])


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def _print_json(document: Any) -> None:
    print(json_module.dumps(document, indent=1))


def _show(rows: list[dict[str, Any]], shown: columns.Columns, json: bool = False, document: Any = None) -> None:
    """A table for people, or with `json` the document (the rows, unless another is given)."""
    if json:
        _print_json(rows if document is None else document)
        return
    from pocketvision.report.terminal import table

    _console().print(table(rows, shown))

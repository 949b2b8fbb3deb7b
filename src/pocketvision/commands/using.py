"""The commands that use a network: eval, predict, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from pocketvision.commands.networks import check_model, check_trained, network, trained
from pocketvision.commands.options import (
    Bypass,
    Channels,
    Classes,
    Data,
    Download,
    Groups,
    Json,
    Model,
    Pretrained,
    Resolution,
    Width,
)
from pocketvision.commands.showing import show
from pocketvision.commands.useit import show_use
from pocketvision.errors import InputError
from pocketvision.report import columns, text

NAMED = 5  # classes in a line


def evaluate(
    model: Model,
    data: Data,
    split: Annotated[
        str | None, Option(metavar="train|val|test", help="Which images: by default test, else val, else all.")
    ] = None,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    pretrained: Pretrained = None,
    download: Download = False,
    json: Json = False,
) -> None:
    """How often a network is right on labelled images."""
    from pocketvision.data.preprocessing import Preprocessing
    from pocketvision.data.sources import require_data
    from pocketvision.validation import SPLITS, require_one_of

    if split is not None:
        require_one_of(split, SPLITS, "split")
    check_trained(model, width, resolution, classes, channels, pretrained)
    require_data(data)
    from pocketvision.evaluation import evaluate as run
    from pocketvision.loading import is_file

    own = model if is_file(model) else None
    result = run(trained(model, width, resolution, pretrained, classes, channels), data, split, download, own)
    shown = columns.EVAL_MULTILABEL if "map" in result else columns.EVAL
    show([result], columns.said_in([result], shown), json, result)
    if not json:
        if never := result["never_answered"]:
            print(f"never answered: {', '.join(never[:NAMED])}{', ...' if len(never) > NAMED else ''}")
        print(f"preprocessing: {Preprocessing.from_json(result['preprocessing']).described()}")


def predict(
    model: Model,
    images: Annotated[
        list[Path],
        Argument(metavar="IMAGE", help="Image files, and folders, .tar or .zip with images, at any depth."),
    ],
    top: Annotated[int, Option(metavar="N", help="Answers for each image.")] = 3,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    pretrained: Pretrained = None,
    json: Json = False,
) -> None:
    """What is in these images? Those that cannot be read are named, the others answered; the exit status is then 1."""
    from pocketvision.data.findings import printable
    from pocketvision.data.gather import gather
    from pocketvision.data.imagefile import NOT_FOUND
    from pocketvision.progress import say

    if top < 1:
        raise InputError(f"--top {top}: give 1 or more")
    check_trained(model, width, resolution, classes, channels, pretrained)
    if not json and not any(path.exists() for path in images):
        raise InputError(f"cannot read {'; '.join(f'{path}: {NOT_FOUND}' for path in images)}")
    files = gather(images)

    from pocketvision.data.reading import Skipped
    from pocketvision.evaluation import as_runnable
    from pocketvision.runtimes.predictor import predict as run

    skipped = Skipped()
    net = trained(model, width, resolution, pretrained, classes, channels)
    answers = {result.image: result for result in run(as_runnable(net), files, skipped=skipped)}
    errors = dict(zip((file.name for file in files if file.name not in answers), skipped.reasons, strict=True))
    if not answers and not json:
        raise InputError(f"cannot read {'; '.join(skipped.reasons)}")
    for reason in errors.values():
        say(printable(f"left out, because it cannot be read: {reason}"))
    results = [answers[file.name] for file in files if file.name in answers]
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
    document = [
        answers[file.name].to_json(top) if file.name in answers else {"image": file.name, "error": errors[file.name]}
        for file in files
    ]
    show(rows, shown, json, document)
    if errors:
        sys.exit(1 if answers else 2)


def export(
    model: Model,
    to: Annotated[str, Option(metavar="onnx", help="Format.")] = "onnx",
    out: Annotated[Path | None, Option(metavar="FILE", help="File to write; by default the model's name.")] = None,
    images: Annotated[
        list[Path] | None, Option(metavar="IMAGE", help="Image to compare the two on (may be repeated).")
    ] = None,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    groups: Groups = None,
    bypass: Bypass = None,
    pretrained: Pretrained = None,
    json: Json = False,
) -> None:
    """Write a network for another runtime, run it there, and compare."""
    from pocketvision.exporting import check_export
    from pocketvision.exporting import export as run
    from pocketvision.files import require_path

    check_export(to, out)
    check_model(model, width, resolution, classes, channels, groups, bypass, pretrained)
    for image in images or ():
        require_path(image)
    net = network(model, width, resolution, classes, channels, pretrained, groups, bypass)
    result = run(net, to, out, images)
    show([result], columns.EXPORT, json, result)
    if not json:
        show_use(result["path"], images[0] if images else None)

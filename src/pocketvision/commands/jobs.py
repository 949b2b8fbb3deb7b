"""The commands that make a network from images: fit, train; and doctor, which looks at the images."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Option

from pocketvision.commands.options import (
    LIMITS,
    TRAINING,
    Bypass,
    Channels,
    Data,
    Device,
    Download,
    Fresh,
    Groups,
    Json,
    Log,
    MoreTime,
    Out,
    Pretrained,
    Resolution,
    Seed,
    Strict,
    Threads,
    Width,
    complete_model,
)
from pocketvision.commands.showing import command_line, console, print_json, show
from pocketvision.commands.useit import an_image, show_use
from pocketvision.commands.waiting import sleep_when_busy
from pocketvision.errors import InputError
from pocketvision.report import columns
from pocketvision.report.verdict import without_tick


def fit(
    data: Data,
    budget: Annotated[str, Option(metavar="TIME", help="Longest time for one image, such as 5ms.")],
    time: Annotated[
        str,
        Option(
            metavar="TIME", help="Longest time for training, such as 8m. The other steps take some minutes besides."
        ),
    ] = "30m",
    threads: Threads = 1,
    runtime: Annotated[str, Option(metavar="onnxruntime", help="Engine that the network is for.")] = "onnxruntime",
    pretrained: Pretrained = None,
    max_macs: Annotated[
        str | None, Option(metavar="N", help="Most multiply-adds, such as 100M.", rich_help_panel=LIMITS)
    ] = None,
    max_params: Annotated[
        str | None, Option(metavar="N", help="Most parameters, such as 2M.", rich_help_panel=LIMITS)
    ] = None,
    max_size: Annotated[
        str | None, Option(metavar="SIZE", help="Largest file, such as 4MB.", rich_help_panel=LIMITS)
    ] = None,
    max_memory: Annotated[
        str | None,
        Option(metavar="SIZE", help="Most memory for weights and feature maps, such as 8MB.", rich_help_panel=LIMITS),
    ] = None,
    more_time: MoreTime = None,
    device: Annotated[
        str,
        Option(
            metavar="DEVICE",
            help="Where to train: auto, cpu, cuda or mps; or where to measure instead of here: ssh://user@host or "
            "adb://SERIAL.",
        ),
    ] = "auto",
    log: Log = None,
    out: Out = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    retime: Annotated[
        bool, Option("--retime", help="Only time the file of the finished run in the folder again, and judge it anew.")
    ] = False,
    strict: Strict = False,
    download: Download = False,
    json: Json = False,
) -> None:
    """The most accurate network for your images that keeps a budget on this device, or on another.

    Exit status 0: done, and the network can be used. 1: it cannot yet (over the budget, no better than guessing, not
    measured reliably), and standard error says what is missing and which command helps most. 2: the input is wrong.
    """
    from pocketvision.fitting.request import check_begun, check_fit, default_out

    limits = (max_macs, max_params, max_size, max_memory)
    asked = check_fit(data, budget, time, threads, runtime, pretrained, limits, more_time, device, log or ())
    out = out or default_out(data, budget)
    settings = asked.settings(data, threads, runtime, pretrained, seed, device)
    check_begun(out, settings, fresh, retime, more_time)

    sleep_when_busy()
    from pocketvision.fitting.job import fit as run
    from pocketvision.report.terminal import verdict_panel

    report = run(
        data, budget, time=time, threads=threads, runtime=runtime, pretrained=pretrained,
        max_macs=max_macs, max_params=max_params, max_size=max_size, max_memory=max_memory,
        more_time=more_time, device=device, log=log or (), out=out, seed=seed, fresh=fresh, retime=retime,
        strict=strict, download=download, command=command_line(),
    )  # fmt: skip
    if json:
        print_json(report)
    else:
        verdict_panel(report, console(), out)
        show_use(out / "model.onnx", an_image(data))
    verdict = report["verdict"]
    if not verdict.get("tick", verdict["budget_met"]):  # one from before there was a tick is of the budget alone
        print(without_tick(verdict), file=sys.stderr)
        sys.exit(1)


def train(
    data: Data,
    model: Annotated[
        str,
        Option(
            metavar="MODEL",
            help="A name that 'pocketvision models' lists, or a model file to go on from.",
            autocompletion=complete_model,
        ),
    ],
    width: Width = None,
    resolution: Resolution = None,
    channels: Channels = None,
    groups: Groups = None,
    bypass: Bypass = None,
    pretrained: Pretrained = None,
    epochs: Annotated[
        int | None, Option(metavar="N", help="Epochs; the recipe's by default.", rich_help_panel=TRAINING)
    ] = None,
    time: Annotated[str | None, Option(metavar="TIME", help="Longest time for training, such as 8m.")] = None,
    lr: Annotated[
        float | None,
        Option(metavar="NUMBER", help="Peak learning rate; the recipe's by default.", rich_help_panel=TRAINING),
    ] = None,
    folds: Annotated[
        int | None, Option(metavar="N", help="Cross-validate: hold out every image once, in so many folds.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another field of the recipe, such as mixup=0.2 (may be repeated).",
            rich_help_panel=TRAINING,
        ),
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
    from pocketvision.fitting.request import check_train

    changes = _pairs(settings or [])
    check_train(
        data, model, width, resolution, channels, groups, bypass, pretrained, epochs, time, lr, folds, changes,
        more_time, device, log or (),
    )  # fmt: skip
    sleep_when_busy()
    from pocketvision.fitting.train import train as run
    from pocketvision.progress import is_first_process

    result = run(
        data, model, width=width, resolution=resolution, channels=channels, groups=groups, bypass=bypass,
        pretrained=pretrained, epochs=epochs,
        time=time, lr=lr, folds=folds, settings=changes, more_time=more_time, device=device,
        log=log or (), out=out,
        seed=seed, fresh=fresh, strict=strict, download=download, command=command_line(),
    )  # fmt: skip
    if not is_first_process():
        return
    each = [{**fold, "model": f"fold {fold['fold']}"} for fold in result.get("folds", ())]
    rows = [*each, result]
    shown = columns.TRAIN_MULTILABEL if "map" in result else columns.TRAIN
    show(rows, columns.said_in(rows, shown), json, result)
    if not json:
        show_use(result["file"], an_image(data))


def doctor(data: Data, pretrained: Pretrained = None, strict: Strict = False, json: Json = False) -> None:
    """What is in your images, and what is wrong with them."""
    from pocketvision.data.sources import require_data
    from pocketvision.fitting.request import require_weights

    require_data(data)
    if pretrained is not None:
        require_weights(pretrained)
    from pocketvision.fitting.doctor import doctor as run

    seen = run(data, pretrained=pretrained, strict=strict)
    if json:
        print_json(seen)
        return
    from pocketvision.report.diagnosis import diagnosis

    diagnosis(seen, console())


def _pairs(settings: list[str]) -> dict[str, str]:
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"--set {setting}: give NAME=VALUE, such as mixup=0.2")
    return dict(setting.split("=", 1) for setting in settings)

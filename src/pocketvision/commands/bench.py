"""The command `bench`: networks and runtimes timed in turn."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from pocketvision.commands.networks import network
from pocketvision.commands.options import (
    Bypass,
    Channels,
    Classes,
    Groups,
    Json,
    Resolution,
    Runtime,
    Threads,
    Width,
)
from pocketvision.commands.showing import show
from pocketvision.errors import InputError
from pocketvision.report import columns


def bench(
    models: Annotated[list[str], Argument(metavar="MODEL...", help="Names or model files.")],
    runtime: Runtime = "onnxruntime",
    threads: Threads = 1,
    batch: Annotated[int, Option(help="Images per call.")] = 1,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    groups: Groups = None,
    bypass: Bypass = None,
    json: Json = False,
) -> None:
    """How long networks take on this device, timed in turn."""
    from pocketvision.measure.bench import bench as run

    if threads < 1 or batch < 1:
        raise InputError(f"--threads {threads} --batch {batch}: give 1 or more of each")
    dials = (width, resolution, classes, channels, None, groups, bypass)
    nets = [model if model.endswith(".onnx") else network(model, *dials) for model in models]
    show(run(nets, runtime, threads, batch), columns.BENCH, json)

"""The commands that look at networks: models, profile, bench."""

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
    Model,
    Resolution,
    Runtime,
    Threads,
    Width,
)
from pocketvision.commands.showing import print_json, show
from pocketvision.errors import InputError
from pocketvision.report import columns


def models(
    pattern: Annotated[
        str, Argument(help="Shell pattern, such as 'mobilenet_v3*'; one network's name prints its paper's table.")
    ] = "*",
    groups: Groups = None,
    bypass: Bypass = None,
    json: Json = False,
) -> None:
    """The networks to choose from, with costs and published accuracy; of one, its table row by row."""
    from pocketvision.models.catalogue import catalogue, entry, is_name, paper_table

    if is_name(pattern):
        described, rows = entry(pattern, groups, bypass), paper_table(pattern, groups, bypass)
        show([described], columns.MODELS, json, [{**described, "rows": rows}])
        if not json:
            show(rows, columns.paper_table(rows))
        return
    if groups is not None or bypass is not None:
        raise InputError(f"--groups and --bypass are for one network, and {pattern!r} is a pattern: give a name")
    rows = catalogue(pattern)
    if not rows:
        raise InputError(f"no model matches {pattern!r}: `pocketvision models` lists all")
    show(rows, columns.MODELS, json)


def profile(
    model: Model,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    groups: Groups = None,
    bypass: Bypass = None,
    json: Json = False,
) -> None:
    """Where a network's parameters, multiply-adds and time go, row by row."""
    from pocketvision.measure.profile import profile as run

    result = run(network(model, width, resolution, classes, channels, groups=groups, bypass=bypass))
    if json:
        print_json(result)
        return
    show(result["rows"], columns.PROFILE_ROWS)
    show([{"kind": kind, **values} for kind, values in result["kinds"].items()], columns.PROFILE_KINDS)


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

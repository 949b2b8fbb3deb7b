"""The command `profile`: where parameters, multiply-adds and time go."""

from __future__ import annotations

from pocketvision.commands.networks import network
from pocketvision.commands.options import (
    Bypass,
    Channels,
    Classes,
    Groups,
    Json,
    Model,
    Resolution,
    Width,
)
from pocketvision.commands.showing import print_json, show
from pocketvision.report import columns


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

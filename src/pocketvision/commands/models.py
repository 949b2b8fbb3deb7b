"""The command `models`: the networks to choose from, or one network's table."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from pocketvision.commands.options import (
    Bypass,
    Groups,
    Json,
    complete_model,
)
from pocketvision.commands.showing import show
from pocketvision.errors import InputError
from pocketvision.report import columns


def models(
    pattern: Annotated[
        str,
        Argument(
            metavar="PATTERN",
            help="Shell pattern, such as 'mobilenet_v3*'; one network's name prints its paper's table.",
            autocompletion=complete_model,
        ),
    ] = "*",
    groups: Groups = None,
    bypass: Bypass = None,
    json: Json = False,
) -> None:
    """The networks to choose from, with costs and published accuracy; of one, its table row by row."""
    from pocketvision.validation import no_match, require_pattern

    require_pattern(pattern)
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
        raise no_match(pattern)
    show(rows, columns.MODELS, json)

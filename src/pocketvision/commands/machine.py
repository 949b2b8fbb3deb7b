"""The command `machine`: what this device is, and what it can do at most."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from pocketvision.commands.options import Json
from pocketvision.commands.showing import console, print_json, show


def machine(
    out: Annotated[Path | None, Option(metavar="FILE", help="Write the JSON document there too.")] = None,
    json: Json = False,
) -> None:
    """CPU, caches, vector units, and the peaks of arithmetic and memory, measured in about ten seconds."""
    import json as json_module

    from pocketvision.files import writable_file, write_atomic
    from pocketvision.measure.machine_peaks import measured_machine
    from pocketvision.report import columns
    from pocketvision.report.machine import facts, peaks

    if out is not None:
        writable_file(out)
    found = measured_machine(fresh=True, show=True)
    if out is not None:
        write_atomic(out, json_module.dumps(found, indent=1) + "\n")
    if json:
        print_json(found)
        return
    show(facts(found), columns.MACHINE_FACTS)
    console().print()
    show(peaks(found), columns.machine_peaks(list(found["peaks"])))

"""The command `profile`: where parameters, multiply-adds and time go, and how far that is from the machine's limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Option

from pocketvision.commands.networks import check_model, network
from pocketvision.commands.options import (
    Bypass,
    Channels,
    Classes,
    Groups,
    Json,
    Model,
    Resolution,
    Threads,
    Width,
)
from pocketvision.commands.showing import console, print_json, show
from pocketvision.errors import InputError
from pocketvision.report import columns

ENDINGS = (".html", ".png", ".json")


def profile(
    model: Model,
    runtime: Annotated[str, Option(metavar="onnxruntime|torch", help="Engine to look into.")] = "onnxruntime",
    threads: Threads = 1,
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    groups: Groups = None,
    bypass: Bypass = None,
    out: Annotated[Path | None, Option(metavar="FILE", help="Write a page (.html), plots (.png) or .json.")] = None,
    json: Json = False,
) -> None:
    """Where a network's parameters, multiply-adds and time go, row by row, and which rows are worth attacking."""
    from pocketvision.files import writable_file
    from pocketvision.runtimes.cores import check_threads
    from pocketvision.validation import require_profiled, require_threads

    require_threads(threads)
    check_threads(threads)
    require_profiled(runtime)
    check_model(model, width, resolution, classes, channels, groups, bypass)
    if out is not None:
        if out.suffix not in ENDINGS:
            raise InputError(f"--out {out}: its name should end in {', '.join(ENDINGS)}")
        writable_file(out)
    from pocketvision.measure.profile import profile as run

    net = network(model, width, resolution, classes, channels, groups=groups, bypass=bypass)

    from pocketvision.measure.machine_peaks import measured_machine, with_peaks
    from pocketvision.measure.roofline import on_roofline
    from pocketvision.report.worth import worth

    measured_machine([threads], show=True)  # a number of threads that it has not is known before anything is timed
    result = run(net, runtime=runtime, threads=threads)
    # The whole network, not its fastest row: of a tiny row little is left when the profiler's own time is taken off.
    reached = 2 * result["macs"] / result["ms"] / 1e6
    machine = with_peaks(result["machine"], [threads], show=True, reached={threads: reached})
    result = on_roofline(result, machine)
    result["worth"] = worth(result)
    if out is not None:
        write(result, out)
    if json:
        print_json(result)
        return
    show(result["rows"], columns.PROFILE_ROWS)
    show([{"kind": kind, **values} for kind, values in result["kinds"].items()], columns.PROFILE_KINDS)
    for line in in_words(result):
        console().print(line, markup=False, soft_wrap=True)


def write(result: dict[str, Any], out: Path) -> None:
    """As a page, plots, or the JSON document, by the ending of the name."""
    import json as json_module

    from pocketvision.files import write_atomic

    if out.suffix == ".json":
        write_atomic(out, json_module.dumps(result, indent=1) + "\n")
    elif out.suffix == ".png":
        from pocketvision.report.roofline import png

        write_atomic(out, png(result))
    else:
        from pocketvision.report.profile_page import render

        write_atomic(out, render(result))


def in_words(result: dict[str, Any]) -> list[str]:
    """What the tables do not say: the whole against its parts, notes, and the rows worth attacking."""
    from pocketvision.report.text import counted, milliseconds, percent

    outside, rows = result["outside"], result["rows"]
    lines = [
        "",
        f"whole network {milliseconds(result['ms'])} in {result['runtime']} {result['version']}, "
        f"{counted(result['threads'], 'thread')}; rows {milliseconds(sum(row['ms'] for row in rows))}, "
        f"input and output {milliseconds(sum(outside.values()))}, between the operations "
        f"{milliseconds(result['between_ms'])} ({percent(result['gap'])})",
    ]
    if result["squeeze_excite"]["ms"]:
        excited = result["squeeze_excite"]
        lines.append(f"squeeze-and-excite {milliseconds(excited['ms'])}, {percent(excited['share_ms'])} of the time")
    lines += [f"note: {note}" for note in result["notes"]]
    if result["worth"]:
        lines += ["worth attacking:", *(f"  {item['text']}" for item in result["worth"])]
    return lines

"""The command `bench`: networks and runtimes timed in turn, here or elsewhere; two such measurements compared."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from pocketvision.commands.networks import check_model, network, refuse_dials
from pocketvision.commands.options import (
    Bypass,
    Channels,
    Classes,
    Groups,
    Json,
    Resolution,
    Width,
    complete_model,
    complete_runtime,
)
from pocketvision.commands.showing import command_line, console, print_json, show
from pocketvision.errors import InputError
from pocketvision.report import columns
from pocketvision.units import counted

Models = Annotated[
    list[str] | None,
    Argument(metavar="MODEL", help="Names, model files or exported files.", autocompletion=complete_model),
]
Runtimes = Annotated[
    str | None,
    Option(
        metavar="NAME,...",
        help="Engines: onnxruntime, torch, torch_folded, torch_compiled, openvino, litert, executorch, ncnn, mnn; or "
        "all that are installed. By default onnxruntime, and for an exported file its own.",
        autocompletion=complete_runtime,
    ),
]
Python = Annotated[
    Path | None, Option(metavar="PATH", help="Another Python interpreter, for the engines that this one lacks.")
]
Where = Annotated[
    str | None, Option("--device", metavar="ADDRESS", help="Another machine: ssh://user@host, or adb:// for Android.")
]
Keep = Annotated[
    Path | None, Option("--keep", metavar="DIR", help="Keep the exported files there; the next time they are used.")
]
Saved = Annotated[
    Path | None,
    Option(
        "--out",
        metavar="FILE.json",
        help="Write results and machine there; with --zoo a folder (runs/zoo), in which a stopped run is gone on with.",
    ),
]
Zoo = Annotated[
    bool,
    Option(
        "--zoo",
        help="Every family over widths and resolutions: a page of published accuracy and multiply-adds against time. "
        "MODELs choose among them, such as 'mobilenet_v*'.",
    ),
]
Compare = Annotated[
    tuple[Path, Path] | None,
    Option("--compare", metavar="OLD.json NEW.json", help="What changed beyond noise between two --out files."),
]


def bench(
    models: Models = None,
    runtime: Runtimes = None,
    threads: Annotated[str, Option(metavar="N,...", help="Threads of the runtime.")] = "1",
    batch: Annotated[str, Option(metavar="N,...", help="Images per call.")] = "1",
    width: Width = None,
    resolution: Resolution = None,
    classes: Classes = None,
    channels: Channels = None,
    groups: Groups = None,
    bypass: Bypass = None,
    device: Where = None,
    python: Python = None,
    keep: Keep = None,
    out: Saved = None,
    compare: Compare = None,
    zoo: Zoo = False,
    json: Json = False,
) -> None:
    """How long networks take on this device, in one runtime or several, timed in turn."""
    from pocketvision.files import writable_file, write_atomic
    from pocketvision.runtimes import SUFFIXES, require_runtime

    if zoo:
        from pocketvision.commands import zoo as command

        refused = {"--width": width, "--resolution": resolution, "--classes": classes, "--channels": channels}
        more = {"--groups": groups, "--bypass": bypass, "--batch": None if batch == "1" else batch}
        command.refuse({**refused, **more, "--compare": compare})
        (count,) = _numbers(command.one(threads, "threads"), "threads")
        if runtime is not None:
            require_runtime(command.one(runtime, "runtime"))
        from pocketvision.zoo.batch import Where as Conditions

        engine = Conditions.runtime if runtime is None else command.one(runtime, "runtime")
        conditions = Conditions(engine, count, device, python, keep)
        return command.zoo(models or [], conditions, out, json)
    if compare is not None:
        if models:
            raise InputError("--compare reads two files and times nothing: leave out the models")
        return _show_changes(*compare, json)
    if not models:
        raise InputError("there is nothing to time: give at least one MODEL, or --compare OLD.json NEW.json")
    named = None if runtime is None else [name.strip() for name in runtime.split(",") if name.strip()]
    for name in named or ():
        if name != "all":
            require_runtime(name)
    if named == []:
        raise InputError(f"--runtime {runtime}: no runtime is named")
    counts = {what: _numbers(text, what) for what, text in (("threads", threads), ("batch", batch))}
    if out is not None:
        writable_file(out)
    dials = (width, resolution, classes, channels, None, groups, bypass)
    for model in models:
        check_model(model, width, resolution, classes, channels, groups, bypass)
    from pocketvision.measure.bench import bench_report
    from pocketvision.progress import say

    nets: list[Any] = []
    for model in models:
        if Path(model).suffix in SUFFIXES:
            refuse_dials(model, *dials)
            nets.append(model)
            continue
        if keep is not None:
            import torch

            # What has no weights yet gets the same ones next time, whatever is beside it, and finds its files.
            torch.manual_seed(0)
        nets.append(network(model, *dials))
    chosen = "all" if named and "all" in named else named
    report = bench_report(
        nets, chosen, counts["threads"], counts["batch"], device=device, python=python, keep=keep, show=True
    )
    report["command"] = command_line()
    if out is not None:
        write_atomic(out, json_module.dumps(report, indent=1) + "\n")
    for warning in report["warnings"]:
        say(f"note: {warning}")
    rows = [{**row, "same": "=" if row["tied"] else None} for row in report["results"]]
    show(rows, columns.bench(rows), json, report["results"])


def _numbers(text: str, what: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise InputError(f"--{what} {text}: give 1 or more, several with commas (1,2)")
    return numbers


def _show_changes(old: Path, new: Path, json: bool) -> None:
    from pocketvision.measure import compare

    changes = compare.compare(compare.read(old), compare.read(new))
    if json:
        return print_json(changes)
    show(changes["rows"], columns.CHANGES)
    beside = {f"only in {old}": changes["only_old"], f"only in {new}": changes["only_new"]}
    lines = [
        f"{where}: {row['model']} in {row['runtime']}, {counted(row['threads'], 'thread')}, batch {row['batch']}"
        for where, rows in beside.items()
        for row in rows
    ]
    for what, (before, after) in changes["machine"].items():
        lines.append(f"{what}: {before} -> {after}")
    for line in [*lines, *changes["notes"]]:
        console().print(line, markup=False, soft_wrap=True)

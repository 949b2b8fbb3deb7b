"""The command `guidelines`: do ShuffleNetV2's rules hold on this device?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from pocketvision.commands.options import Json, Threads
from pocketvision.commands.showing import console, print_json, show


def guidelines(
    runtime: Annotated[
        str, Option(metavar="NAME", help="Engine: onnxruntime, torch, torch_folded or openvino.")
    ] = "onnxruntime",
    threads: Threads = 1,
    only: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="Only this experiment: G1, G2, G3, G4, depthwise, V3-Large or channels (may be repeated).",
        ),
    ] = None,
    out: Annotated[Path | None, Option(metavar="FILE", help="Save the result as JSON.")] = None,
    json: Json = False,
) -> None:
    """Which design rules for fast networks hold on this device, and what follows; four minutes."""
    import json as json_module

    from pocketvision.files import writable_file, write_atomic
    from pocketvision.guidelines.asked import check_asked
    from pocketvision.validation import require_threads

    require_threads(threads)
    check_asked(runtime, threads, only or ())
    if out is not None:
        writable_file(out)
    from pocketvision.guidelines import guidelines as run
    from pocketvision.report import guidelines as shown

    report = run(runtime, threads, only or ())
    if out is not None:
        write_atomic(out, json_module.dumps(report, indent=1) + "\n")
    if json:
        print_json(report)
        return
    for table in report["experiments"]:
        columns, rows = shown.experiment(table)
        print(f"{table['name']}: {table['title']}")
        show(rows, columns)
        if table["note"]:
            console().print(table["note"], markup=False)
        print()
    show(shown.guidelines(report), shown.GUIDELINES)
    for line in shown.lines(report):
        console().print(line, markup=False)

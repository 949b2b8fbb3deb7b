"""`fit --retime`: times the shipped file of a finished run again, and says anew what follows from it."""

from __future__ import annotations

from typing import Any

from pocketvision.begun import nothing_to_retime
from pocketvision.data.dataset import Dataset
from pocketvision.data.example import an_image
from pocketvision.errors import InputError
from pocketvision.fitting.budget import until_kept
from pocketvision.fitting.clock import Clock
from pocketvision.fitting.insight import pictures_of
from pocketvision.fitting.tick import latency_fields, tick
from pocketvision.fitting.timer import FILE
from pocketvision.measure.latency import Latency
from pocketvision.progress import say
from pocketvision.report import write_report
from pocketvision.report.useit import use_it
from pocketvision.runfolder import RunFolder
from pocketvision.weights.file import load


def retime(
    folder: RunFolder, dataset: Dataset, settings: dict[str, Any], clock: Clock, names: tuple[str, str, str], show: bool
) -> dict[str, Any]:
    """The report with a new measurement, written as report.json and report.html.

    `names` are those of the model file, the exported file and the report. Nothing is trained, and no size changes.
    InputError when the run is not finished, or one of its files is gone.
    """
    model, exported, written = (folder.out / name for name in names)
    report: dict[str, Any] | None = folder.read(written.name)
    if report is None or "timing" not in report:
        raise nothing_to_retime(folder.out)
    for file in (model, exported):
        if not file.is_file():
            raise InputError(f"{file} is gone: start the run again with --fresh")
    threads, budget_ms = settings["threads"], settings["budget_ms"]

    def look(number: int) -> dict[str, Any]:
        latency = clock.time([exported], settings["runtime"], threads, FILE)[0]
        return {**latency.to_json(), "machine": clock.machine()}

    found = until_kept(look, budget_ms)
    latency, report["machine"] = Latency.from_json(found), found["machine"]
    report["timing"] = latency.to_json()
    report["verdict"] |= {**latency_fields(latency, budget_ms), "load": report["machine"].get("load")}
    report["verdict"] |= tick(report, settings, str(folder.out))
    report["use"] = use_it(exported, an_image(dataset))
    for row in report["candidates"]:
        if row["chosen"]:
            row |= {"latency_ms": latency.median_ms, "latency_interval_ms": [latency.low_ms, latency.high_ms]}
    write_report(report, folder.out / "report.html", pictures_of(load(model), dataset, report))
    folder.write(written.name, report)
    if show:
        say(f"{exported} timed again: {latency.median_ms:.3g} ms")
    return report

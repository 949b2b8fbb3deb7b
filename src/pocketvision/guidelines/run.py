"""All experiments on this device, within a few minutes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pocketvision.guidelines import family, paper
from pocketvision.guidelines.advice import advice
from pocketvision.guidelines.asked import check_asked
from pocketvision.guidelines.experiment import Experiment
from pocketvision.guidelines.published import SOURCE
from pocketvision.guidelines.table import claims, rows, undecided
from pocketvision.guidelines.timing import ROUNDS, Times, measure, prepare
from pocketvision.guidelines.verdict import LOOKS, RULE
from pocketvision.measure.machine import machine
from pocketvision.measure.machine_peaks import with_peaks
from pocketvision.progress import Steps, say
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes.cores import usable_cores

EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "G1": paper.channel_ratios,
    "G2": paper.groups,
    "G3": paper.fragments,
    "G4": paper.elementwise,
    "depthwise": family.depthwise,
    "V3-Large": family.v3_large,
    "channels": family.vector_width,
}

LIMIT = 240.0  # seconds


def guidelines(
    runtime: str = "onnxruntime",
    threads: int = 1,
    only: Sequence[str] = (),
    limit: float = LIMIT,
) -> dict[str, Any]:
    """Time the experiments (those in `only`, by default all) in `runtime` on `threads` threads (0: all cores).

    `{runtime, version, threads, guidelines: [{name, experiment, says, verdict, ratio, interval, batches, reason,
    paper}], advice: [{name, sentence}], experiments: [{name, title, note, columns, per_mac, batches, rounds, max_error,
    rows}], rule, source, machine, seconds}`; for rows and guidelines see `table.py`, for the verdicts `verdict.py`.
    Each experiment gets 7 batches of rounds, and twice 7 more while something in it is undecided then. But for each
    experiment's first, no batch begins that would not end within `limit` seconds.
    InputError for an unknown experiment, a runtime not in ENGINES, and a number of threads that is negative or larger
    than that of the usable cores.
    """
    check_asked(runtime, threads, only)
    get_runtime(runtime)
    from pocketvision.runtimes.torch import thread_count

    started, before, threads = time.monotonic(), machine(), threads or usable_cores()
    if before["load"] and before["load"][0] > usable_cores() / 2:
        say(f"this machine is busy (load {before['load'][0]:.1f}): expect fewer decisions than on an idle one")
    chosen = [make() for name, make in EXPERIMENTS.items() if not only or name in only]
    with thread_count(threads), tempfile.TemporaryDirectory(prefix="pocketvision-") as folder:
        times = _measured(chosen, runtime, threads, Path(folder), started + limit)
    for experiment, found in zip(chosen, times, strict=True):
        for (label, column), reason in found.wrong.items():
            say(f"{experiment.name}: of {label!r} at {experiment.columns[column]!r} in {runtime} {reason}: not timed")
    judged = [claim for pair in zip(chosen, times, strict=True) for claim in claims(*pair)]
    tables = [
        {
            "name": experiment.name,
            "title": experiment.title,
            "note": experiment.note,
            "columns": list(experiment.columns),
            "per_mac": experiment.per_mac,
            "batches": found.batches,
            "rounds": found.batches * ROUNDS,
            "max_error": found.max_error,
            "rows": rows(experiment, found),
        }
        for experiment, found in zip(chosen, times, strict=True)
    ]
    return {
        "runtime": runtime,
        "version": times[0].version,
        "threads": threads,
        "guidelines": judged,
        "advice": advice(judged, tables, runtime, threads),
        "experiments": tables,
        "rule": RULE,
        "source": SOURCE,
        "machine": with_peaks(before, [threads]),
        "seconds": time.monotonic() - started,
    }


def _measured(experiments: list[Experiment], runtime: str, threads: int, folder: Path, deadline: float) -> list[Times]:
    """Batches of rounds in turn through the experiments, so that a busy minute of the machine spoils none of them.

    Whether to go on is asked only at the LOOKS. When the time is up between two of them, the verdict at the end is the
    next look: the clock ended it, not what was found.
    """
    with Steps("guidelines", len(experiments) * (1 + LOOKS[0])) as steps:
        done, times = 0, list[Times]()
        for experiment in experiments:
            times.append(prepare(experiment, runtime, folder))
            done += 1
            steps.done(done, f"{experiment.name} exported")
        for batch in range(LOOKS[-1]):
            for experiment, found in zip(experiments, times, strict=True):
                if found.batches < batch or (batch in LOOKS and not undecided(experiment, found)):
                    continue
                if batch and time.monotonic() + found.seconds > deadline:
                    continue
                measure(found, runtime, threads)
                done += 1
                steps.done(done, f"{experiment.name} timed", max(done, steps.total))
    return times

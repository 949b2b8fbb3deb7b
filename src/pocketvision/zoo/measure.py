"""Timing the zoo: in batches, each beside the same reference networks, and each written down when it is done."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from pocketvision.errors import InputError
from pocketvision.journal import Journal
from pocketvision.measure.batches import Look, batched
from pocketvision.progress import Steps
from pocketvision.zoo.batch import COSTS, LOOK, Where, measured, timed

MACHINE = ("cpu", "architecture", "instructions", "cores")  # what may not change within a run


def measure(names: Sequence[str], journal: Journal, where: Where, look: Look = LOOK, show: bool = True) -> None:
    """Fill `journal` with `settings`, `machine` and batches that together have every name; see `times`.

    Networks that are in it already are not timed again; those that failed are tried once more, in batches of their
    own, for what they lacked (a library, memory, a connection) may be there now. InputError where nothing can be timed,
    and when the journal's run was made with other settings, on another machine or with another version of the runtime.
    """
    with TemporaryDirectory(prefix="pocketvision-") as name:
        folder = Path(name)
        probe = timed([], where, look, folder)
        _same_run(journal, where, look, probe)
        exported = set(folder.iterdir())
        errors = {name: row["error"] for batch in _batches(journal) for name, row in batch["rows"].items()}
        new, failed = [name for name in names if name not in errors], [name for name in names if errors.get(name)]
        done = len(names) - len(new) - len(failed)
        with Steps("zoo", len(names), show) as steps:
            steps.resume_at(done)
            for batch in [*batched(new), *batched(failed)]:
                step = f"batch {len(journal.known)}: {' '.join(batch)}"  # numbered: one that failed comes twice
                journal.once(step, partial(measured, batch, where, look, folder))
                done += len(batch)
                steps.done(done, batch[-1])
                for path in set(folder.iterdir()) - exported:  # a hundred exported networks are a gigabyte or two
                    shutil.rmtree(path)


def _same_run(journal: Journal, where: Where, look: Look, probe: dict[str, Any]) -> None:
    """Note the run's settings and machine; InputError when the journal is of another run."""
    settings = {
        "runtime": where.runtime,
        "threads": where.threads,
        "device": where.device,
        "version": probe["results"][0]["version"],
        "rounds": look.rounds,
        "seconds": look.seconds,
        **{key: probe["machine"].get(key) for key in MACHINE},
    }
    begun = journal.once("settings", lambda: settings)
    if begun != settings:
        changed = [key for key in {**settings, **begun} if begun.get(key) != settings.get(key)]
        raise InputError(
            f"{journal.path} is of a run with other settings ({', '.join(changed)} differ): choose another --out "
            "folder, or delete that file to measure anew"
        )
    journal.once("machine", lambda: probe["machine"])


def times(journal: Journal) -> dict[str, Any]:
    """What a journal holds, at one speed of the machine.

    `{rows: {name: {ms, low_ms, high_ms, params, macs, max_error, error, load, time}}, machine, settings, warnings,
    load, began, ended, pace}`. A batch's times are multiplied by how much slower (or faster) its references were in the
    middle one of the batches; the ends of the intervals allow for the references' own. `pace` are these factors' least
    and largest. What could not be timed has `error`, and None for its times. `load` (of the last minute, before it) and
    `time` of a row are its batch's.
    """
    batches = _batches(journal)
    usual = median(batch["reference"]["ms"] for batch in batches)
    rows: dict[str, dict[str, Any]] = {}
    for batch in batches:
        reference = batch["reference"]
        moment = {"load": (batch["load"]["before"]["load"] or [None])[0], "time": batch["time"]}
        against = {"ms": reference["ms"], "low_ms": reference["high_ms"], "high_ms": reference["low_ms"]}
        for name, row in batch["rows"].items():
            brought = {key: row[key] and row[key] * usual / against[key] for key in against}
            rows[name] = {**brought, **{key: row[key] for key in COSTS}, **moment}
    factors = [usual / batch["reference"]["ms"] for batch in batches]
    return {
        "rows": rows,
        "machine": journal.known["machine"],
        "settings": journal.known["settings"],
        "warnings": [warning for batch in batches for warning in batch["warnings"]],
        "load": {"before": batches[0]["load"]["before"], "after": batches[-1]["load"]["after"]},
        "began": batches[0]["time"],
        "ended": batches[-1]["time"],
        "pace": [min(factors), max(factors)],
    }


def _batches(journal: Journal) -> list[dict[str, Any]]:
    return [found for key, found in journal.known.items() if key.startswith("batch ")]

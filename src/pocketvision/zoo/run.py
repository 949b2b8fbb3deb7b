"""The zoo from networks to findings, in a folder in which a killed run is gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pocketvision.files import remove_temporary, writable_folder
from pocketvision.journal import Journal
from pocketvision.measure.batches import Look
from pocketvision.progress import say
from pocketvision.units import counted
from pocketvision.zoo.analysis import families, pairs, pareto_front, rank_correlation
from pocketvision.zoo.batch import LOOK, REFERENCES, Where
from pocketvision.zoo.measure import measure, times
from pocketvision.zoo.networks import Member, members

JOURNAL = "journal.json"


def zoo_report(
    out: Path, where: Where, wanted: Sequence[str] = (), look: Look = LOOK, show: bool = True
) -> dict[str, Any]:
    """Time the zoo (or what of it is `wanted`, see `members`), with a journal in the folder `out`, and analyse it.

    For what comes back see `findings`. InputError as of `members` and `measure`.
    """
    chosen = members(wanted)
    writable_folder(out)
    remove_temporary(out)  # of an earlier process that was killed
    journal = Journal(out / JOURNAL)
    if show:
        say(f"zoo: {counted(len(chosen), 'network')} in {where.runtime}; a stopped run goes on from {out / JOURNAL}")
    measure([member.name for member in chosen], journal, where, look, show)
    return findings(chosen, times(journal))


def findings(chosen: Sequence[Member], timed: dict[str, Any]) -> dict[str, Any]:
    """The document of a zoo, from its networks and what `times` gives.

    `{runtime, version, threads, device, rounds, machine, load, began, ended, pace, references, warnings, rows, front,
    correlation, families, pairs, failed}`. A row has the fields of `Member`, `params`, `macs`, `ms`, `low_ms`,
    `high_ms`, `max_error`, `load`, `time` and `pareto`; the fastest comes first. `failed` are `{name, error}`. For
    `front`, `correlation` (of all rows), `families` and `pairs` see `analysis`.
    """
    rows = [{**asdict(member), **timed["rows"][member.name]} for member in chosen]
    failed = [{"name": row["name"], "error": row["error"]} for row in rows if row["error"]]
    rows = sorted((row for row in rows if not row["error"]), key=lambda row: row["ms"])
    front = pareto_front(rows)
    for row in rows:
        row["pareto"] = row["name"] in front
        del row["error"]
    settings = timed["settings"]
    return {
        **{key: settings[key] for key in ("runtime", "version", "threads", "device", "rounds")},
        **{key: timed[key] for key in ("machine", "load", "began", "ended", "pace", "warnings")},
        "references": list(REFERENCES),
        "rows": rows,
        "front": front,
        "correlation": rank_correlation(rows),
        "families": families(rows),
        "pairs": pairs(rows),
        "failed": failed,
    }

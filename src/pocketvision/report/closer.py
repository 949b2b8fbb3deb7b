"""What the page says of a closer look: mistakes and doubtful labels, trust, layers, the doctor's findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from . import kinds as kind_names
from . import text, words
from .pictures import Picture, cards
from .svg import both
from .trust import trust

SEVERITIES = ("error", "warning", "note")
SIGNS = {"error": "bad", "warning": "warn", "note": "unknown"}
NAMES = 12  # of a list of files; the others are counted


def closer_look(report: Mapping[str, Any], pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """Template variables of the sections; those of a section whose data are absent are empty."""
    mistakes, doubtful, calibration, layers, doctor = (
        section if isinstance(section := report.get(key), Mapping) else {}
        for key in ("mistakes", "doubtful", "calibration", "profile", "doctor")
    )
    if text.number(mistakes.get("images")) is None:
        mistakes = {}
    if text.number(doubtful.get("looked_at")) is None or text.number(doubtful.get("of")) is None:
        doubtful = {}
    worst, spent = cards(mistakes.get("worst") or [], pictures)
    doubted, _ = cards(doubtful.get("images") or [], pictures, spent)
    return {
        "mistakes": mistakes,
        "worst": worst,
        "doubtful": doubtful,
        "doubted": doubted,
        "calibration": calibration,
        "trust": drawn if (drawn := both(partial(trust, calibration)))["wide"] else {},
        "rejection": words.rejection(calibration) or words.no_rejection(calibration),
        "sure": words.sure(calibration),
        "temper": words.temper(calibration),
        "layers": layers if kinds(layers) else {},
        "layers_runtime": words.runtime_name(layers.get("runtime")),
        "kinds": kinds(layers),
        "doctor": doctor,
        "findings": findings(doctor),
        "file_names": file_names,
    }


def kinds(layers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Kinds of layer with a share of time or multiply-adds, the slowest first: {name, ms, share_ms, share_macs}."""
    found = []
    for kind, amounts in (layers.get("kinds") or {}).items():
        shares = {name: text.number(amounts.get(name)) or 0.0 for name in ("share_ms", "share_macs")}
        if any(share >= 0.0005 for share in shares.values()):
            found.append({"name": kind_names.name(kind), "ms": amounts.get("ms"), **shares})
    return sorted(found, key=lambda row: -row["share_ms"])


def findings(doctor: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The doctor's findings, errors first, each with the page's class for its severity."""
    rows = [row for row in doctor.get("findings") or [] if isinstance(row, Mapping) and row.get("text")]

    def order(row: Mapping[str, Any]) -> int:
        return SEVERITIES.index(row["severity"]) if row.get("severity") in SEVERITIES else len(SEVERITIES)

    return [{**row, "state": SIGNS.get(str(row.get("severity")), "unknown")} for row in sorted(rows, key=order)]


def file_names(names: Sequence[object]) -> str:
    """`a.jpg, b.jpg` of a list of files, the rest of a long one counted."""
    shown = ", ".join(map(str, names[:NAMES]))
    return shown + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")

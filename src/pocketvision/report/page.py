"""From the dict of `report.json` to the page: what each section shows, then the template `report.html.j2`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from . import plots, text, words
from . import verdict as verdicts
from .closer import closer_look
from .machine import facts
from .pictures import Picture
from .svg import PALETTE, both
from .templates import breakable, environment, unbroken
from .useit import TITLE

FIRST_ROWS = 15  # of a long table; the others unfold
CONFUSED_PAIRS = 20
CONTENTS = {  # what the line of links names, of the sections that there are
    "use": "use it",
    "mistakes": "worst mistakes",
    "trust": "how far to trust it",
    "doubtful": "doubtful labels",
    "doctor": "data findings",
    "learning": "learning curves",
    "layers": "where the time goes",
    "export": "export check",
    "candidates": "candidates",
    "machine": "machine",
    "command": "do it again",
}
LIST_ROWS = 50  # of a list of files


def render(report: Mapping[str, Any], pictures: Mapping[str, Picture] | None = None) -> str:
    """The whole page as HTML text. Every string of `report` is escaped; nothing outside the page is referred to.

    `pictures` are shown where the report names their image.
    """
    report = clean(report)
    verdict, training = part(report, "verdict"), part(report, "training")
    candidates = sorted_candidates(report.get("candidates") or [])
    confusion = part(report, "confusion")
    classes, matrix = confusion.get("classes") or [], confusion.get("matrix") or []
    budget_ms = text.number(verdict.get("budget_ms"))
    machine, data = part(report, "machine"), part(report, "data")
    pages = environment(network=lambda item: breakable(words.network_name(item)))
    closer = closer_look(report, pictures or {})
    there = {"learning", "export", "candidates", "machine"} | {key for key in CONTENTS if closer.get(key)}
    there |= {key for key in ("use", "command") if report.get(key)}
    return pages.get_template("report.html.j2").render(
        report=report,
        **closer,
        verdict=verdict,
        title=unbroken(words.network_name)(verdict),
        budget=words.budget(verdict),
        ticked=verdicts.tick(verdict),
        missing=verdicts.missing(verdict),
        helps=verdicts.best_help(verdict),
        accuracy=verdicts.headline_figure(verdict),
        accuracy_facts=verdicts.accuracy_facts(verdict),
        conditions=verdicts.conditions(verdict),
        bar=budget_bar(verdict),
        measured=words.where_measured(verdict),
        split_images=words.split_images(verdict),
        pretrained=words.pretrained(verdict.get("pretrained")),
        export=words.export(part(report, "export_check")),
        check=part(report, "export_check"),
        scatter=both(partial(plots.accuracy_over_latency, candidates, budget_ms)),
        candidates=candidates,
        tally=tally(candidates),
        first_rows=FIRST_ROWS,
        list_rows=LIST_ROWS,
        curves=both(partial(plots.learning_curves, training.get("epochs") or [])),
        training=training,
        confusion=both(partial(plots.confusion_matrix, classes, matrix)),
        pairs=confused_pairs(classes, matrix)[: CONFUSED_PAIRS if len(matrix) > plots.CONFUSION_CLASSES else 5],
        classes=classes,
        data=data,
        counts=class_counts(data),
        machine=readable_machine(machine),
        versions=part(machine, "versions"),
        contents=[(key, name) for key, name in CONTENTS.items() if key in there],
        use_title=TITLE,
        created=readable_date(report.get("created")),
        palette=PALETTE,
    )


def clean(value: Any) -> Any:
    """`value` with NaN and infinity as None and every string as `text.printable` makes it."""
    if isinstance(value, float):
        return text.number(value)
    if isinstance(value, str):
        return text.printable(value)
    if isinstance(value, Mapping):
        return {text.printable(str(key)): clean(item) for key, item in value.items()}
    return [clean(item) for item in value] if isinstance(value, (list, tuple)) else value


def part(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A section of the report; an absent one is empty."""
    section = report.get(key)
    return section if isinstance(section, Mapping) else {}


def budget_bar(verdict: Mapping[str, Any]) -> dict[str, float] | None:
    """Where median, interval and budget lie along the bar, in per cent of its length; None without a latency."""
    median, budget_ms = text.number(verdict.get("latency_ms")), text.number(verdict.get("budget_ms"))
    if median is None or not budget_ms:
        return None
    low, high = text.pair(verdict.get("latency_interval_ms")) or (median, median)
    full = max(budget_ms * 1.2, high * 1.1)
    return {
        name: round(100 * value / full, 2)
        for name, value in (("median", median), ("low", low), ("high", high), ("budget", budget_ms))
    }


def sorted_candidates(candidates: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The chosen one, then those that fit, then the others; each part from the highest score down."""

    def order(item: Mapping[str, Any]) -> tuple[bool, bool, float, float]:
        score, ms = text.number(item.get("score")), plots.latency(item)
        return (not item.get("chosen"), not item.get("fits"), -1.0 if score is None else -score, ms or 0.0)

    return sorted(candidates, key=order)


def tally(candidates: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many candidates there are, were timed, and fit; and how many have too little to be drawn."""
    drawn = [item for item in candidates if plots.drawable(item)]
    return {
        "all": len(candidates),
        "timed": sum(bool(item.get("timed")) for item in candidates),
        "fit": sum(bool(item.get("fits")) for item in candidates),
        "undrawn": len(candidates) - len(drawn),
    }


def confused_pairs(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Every mistake (truth, answer) with its number of images and share of the truth, the most frequent first."""
    names = [*classes, *(f"class {i}" for i in range(len(classes), len(matrix)))]
    found = [
        {"truth": names[i], "answer": names[j], "images": images, "of": sum(row), "share": images / sum(row)}
        for i, row in enumerate(matrix)
        for j, images in enumerate(row)
        if i != j and images
    ]
    return sorted(found, key=lambda pair: (-pair["images"], -pair["share"]))


def class_counts(data: Mapping[str, Any]) -> dict[str, Any]:
    """Images per class (rows) and split (columns), their sums, and the largest count (for the little bars)."""
    splits = part(data, "splits")
    counts = {split: by_class for split in splits if isinstance(by_class := splits[split], Mapping)}
    classes = data.get("classes") or sorted({name for by_class in counts.values() for name in by_class})
    table = {str(name): [by_class.get(str(name), 0) for by_class in counts.values()] for name in classes}
    sums = [sum(row) for row in table.values()]
    return {
        "splits": list(counts),
        "rows": [{"name": name, "counts": row, "total": sum(row)} for name, row in table.items()],
        "totals": [sum(column) for column in zip(*table.values(), strict=True)],
        "all": sum(sums),
        "largest": max(sums, default=0) or 1,
    }


def readable_machine(machine: Mapping[str, Any]) -> dict[str, str]:
    """What is known of the machine as people read it, with units; without the versions, which stand apart."""
    return {fact["what"]: fact["is"] for fact in facts({**machine, "versions": None, "time": None})}


def readable_date(created: object) -> str:
    """An ISO date as `22 November 2025, 14:05`; anything else as it is."""
    try:
        moment = datetime.fromisoformat(str(created))
    except ValueError:
        return str(created or "")
    return f"{moment.day} {moment:%B %Y, %H:%M}"

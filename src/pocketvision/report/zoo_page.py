"""The zoo in words, as a page and as CSV: what multiply-adds say of time on this machine, and what they do not."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any

from . import machine as machine_words
from . import text, zoo_plots
from .page import clean, readable_date
from .svg import PALETTE, both
from .templates import environment

Zoo = Mapping[str, Any]
CSV = (
    *("name", "base", "width", "resolution", "params", "macs", "ms", "low_ms", "high_ms"),
    *("top1", "top1_is", "source", "pareto", "runtime", "version", "threads", "cpu", "load", "time"),
)
STEADY = 1.05  # between the batches' speeds: more is worth a word


def render(zoo: Zoo) -> str:
    """The page as HTML text, for what `bench --zoo --json` prints. Nothing outside of it is referred to."""
    zoo = clean(zoo)
    rows, shown = zoo["rows"], zoo["pairs"]["shown"]
    sources: dict[str, list[str]] = {}
    for row in rows:
        if row["source"]:
            known = sources.setdefault(row["source"], [])
            known += [row["base"]] if row["base"] not in known else []
    return (
        environment(times=times, correlation=correlation)
        .get_template("zoo.html.j2")
        .render(
            zoo=zoo,
            title=headline(zoo),
            lede=lede(zoo),
            where=where(zoo),
            within=within(zoo),
            published=[row for row in rows if row["top1_is"] == "published"],
            front=[row for row in rows if row["pareto"]],
            notes=notes(zoo),
            accuracy_plot=both(partial(zoo_plots.accuracy_over_latency, rows)),
            macs_plot=both(partial(zoo_plots.latency_over_macs, rows, shown)),
            sources=sources,
            facts=machine_words.facts(zoo["machine"]),
            created=readable_date(zoo["ended"]),
            palette=PALETTE,
        )
    )


def headline(zoo: Zoo) -> str:
    """The finding as a sentence without its full stop."""
    pairs = zoo["pairs"]
    if not pairs["total"]:
        return f"{text.counted(len(zoo['rows']), 'network')} timed, no pair to compare"
    if not pairs["wrong"]:
        within_noise = "no pair of networks wrongly, beyond noise"
        return f"Multiply-adds order {within_noise if pairs['unclear'] else 'every pair of networks as time does'}"
    return f"Multiply-adds order {text.percent(pairs['share'])} of the pairs of networks wrongly"


def lede(zoo: Zoo) -> str:
    """What stands below the headline: how many, by how much."""
    pairs, rows = zoo["pairs"], zoo["rows"]
    if not pairs["total"]:
        return f"Measured {where(zoo)}."
    said = f"Of the {text.counted(pairs['total'], 'pair')} among {len(rows)} networks, "
    if pairs["wrong"]:
        said += (
            f"in {text.whole(pairs['wrong'])} the network with fewer multiply-adds takes longer, beyond noise, "
            f"{where(zoo)}."
        )
    else:
        said += f"in none does the network with fewer multiply-adds take longer, beyond noise, {where(zoo)}."
    if zoo["correlation"] is not None:
        said += f" The rank correlation of multiply-adds with time is {correlation(zoo['correlation'])}."
    if pairs["shown"]:
        said += f" {pair_in_words(pairs['shown'][0])}."
    return said


def pair_in_words(pair: Mapping[str, Any]) -> str:
    """`b has 3.1 times the multiply-adds of a, and a takes 1.4 times as long`."""
    fewer, more = pair["fewer"]["name"], pair["more"]["name"]
    return (
        f"{more} has {times(pair['macs_ratio'])} times the multiply-adds of {fewer}, and yet {fewer} takes "
        f"{times(pair['time_ratio'])} times as long"
    )


def where(zoo: Zoo) -> str:
    """`in onnxruntime 1.23.0 on 1 thread of Intel ...`."""
    threads = text.counted(zoo["threads"], "thread")
    return f"in {zoo['runtime']} {zoo['version'] or ''}".rstrip() + f" on {threads} of {zoo['machine']['cpu']}"


def within(zoo: Zoo) -> tuple[float, str] | None:
    """(the middle rank correlation inside the families, `median of 17 families`); None where no family has one."""
    known = [family["correlation"] for family in zoo["families"] if family["correlation"] is not None]
    return (median(known), "one family" if len(known) == 1 else f"median of {len(known)} families") if known else None


def notes(zoo: Zoo) -> list[str]:
    """What makes the measurement doubtful, and what is missing in it."""
    said = []
    slowest, fastest = zoo["pace"]
    if fastest / slowest > STEADY:
        said.append(
            f"The machine's speed changed by a factor of {times(fastest / slowest)} between batches; their times are "
            "brought to one speed by the reference networks in each."
        )
    if zoo["warnings"]:
        first = zoo["warnings"][0]
        more = f" ({len(zoo['warnings'])} warnings in all)" if len(zoo["warnings"]) > 1 else ""
        said.append(f"{first[0].upper()}{first[1:]}{more}.")
    said += [f"{each['name']} could not be timed: {each['error']}." for each in zoo["failed"]]
    return said


def lines(zoo: Zoo) -> list[str]:
    """What the terminal says besides the table of the front."""
    found = [f"{headline(zoo)}.", lede(zoo)]
    inside = within(zoo)
    if inside is not None:
        found.append(f"Within a family the rank correlation is {correlation(inside[0])} ({inside[1]}).")
    return found + [f"note: {note}" for note in notes(zoo)]


def csv_text(zoo: Zoo) -> str:
    """All networks, the fastest first; what nobody knows is an empty cell.

    `top1` is a fraction, `ms` and its interval are in ms, `load` and `time` are of when the network was timed.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    common = {key: zoo[key] for key in ("runtime", "version", "threads")} | {"cpu": zoo["machine"]["cpu"]}
    for row in zoo["rows"]:
        writer.writerow({**row, "pareto": "yes" if row["pareto"] else "no", **common})
    return buffer.getvalue()


def times(value: Any) -> str:
    """A ratio: `1.4`, `12`."""
    return text.significant(value, 2)


def correlation(value: Any) -> str:
    """`0.953`; a dash where there is none."""
    known = text.number(value)
    return text.MISSING if known is None else f"{known:.3f}"

"""The verdict of a run in words: the tick, what is missing, what helps most, and the figures beside it. [core]"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import milliseconds, milliseconds_interval, number, pair, percent
from .words import Statement, budget


def tick(verdict: Mapping[str, Any]) -> Statement:
    """Is it a network that a person can use: the headline of the verdict.

    A verdict from before there was `tick` is one of the budget alone.
    """
    kept = budget(verdict)
    if not isinstance(verdict.get("tick"), bool) or verdict["tick"]:
        return kept
    first = next(iter(missing(verdict)), kept.text)
    return Statement("unknown" if kept.state == "unknown" and len(missing(verdict)) == 1 else "bad", first)


def missing(verdict: Mapping[str, Any]) -> list[str]:
    """What keeps the network from being of use, the worst first, each without its full stop."""
    said = verdict.get("missing")
    return [str(sentence) for sentence in said] if isinstance(said, (list, tuple)) else []


def best_help(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """(what helps most, its command); two empty strings with a tick."""
    found = verdict.get("help")
    if not isinstance(found, Mapping):
        return "", ""
    return str(found.get("text") or ""), str(found.get("command") or "")


def without_tick(verdict: Mapping[str, Any]) -> str:
    """What standard error says of a run that ends without a tick, in one line."""
    what, command = best_help(verdict)
    said = "; ".join(missing(verdict)) or budget(verdict).text
    return f"not usable yet: {said}" + (f" (what helps most, {what}: {command})" if command else "")


def accuracy_facts(verdict: Mapping[str, Any]) -> list[str]:
    """Of one label for each image: what one answer for all would reach; and where classes are uneven, the plain
    accuracy beside the balanced one in the headline."""
    judged, said = verdict.get("judged_by"), []
    if judged == "balanced_top1":
        said.append(f"each class counts alike; of all images {percent(verdict.get('top1'))}")
    key = "baseline_map" if judged == "map" else "baseline_top1"
    if number(verdict.get(key)) is not None:
        what = {"map": "guessing reaches up to", "balanced_top1": "where one answer for all reaches"}
        least = what.get(str(judged), "one answer for all reaches")
        said.append(f"{least} {percent(verdict[key])}")
    return said


def headline_figure(verdict: Mapping[str, Any]) -> tuple[str, float | None, tuple[float, float] | None]:
    """(name, value, interval) of the accuracy that the verdict is judged by."""
    if verdict.get("task") == "multilabel":
        return "mAP", number(verdict.get("map")), pair(verdict.get("map_interval"))
    if verdict.get("judged_by") == "balanced_top1":
        return "balanced accuracy", number(verdict.get("balanced_top1")), pair(verdict.get("balanced_top1_interval"))
    return "accuracy", number(verdict.get("top1")), pair(verdict.get("top1_interval"))


def conditions(verdict: Mapping[str, Any]) -> str:
    """`80 % of the calls 3.71–4.19 ms · load 0.4 · 12 % of the calls disturbed by other programs`; "" when unknown.

    A latency that is no more than bounds is called so, whichever side of the budget they lie on.
    """
    said = []
    if (spread := pair([verdict.get("p10_ms"), verdict.get("p90_ms")])) is not None:
        said.append(f"80 % of the calls {milliseconds_interval(spread)}")
    load = verdict.get("load")
    if isinstance(load, (list, tuple)) and load and number(load[0]) is not None:
        said.append(f"load {load[0]:.1f}")
    disturbed = number(verdict.get("disturbed"))
    if disturbed is not None and disturbed >= 0.005:
        said.append(f"{percent(disturbed, 0)} of the calls disturbed by other programs")
    wall, median = number(verdict.get("wall_ms")), number(verdict.get("latency_ms"))
    if wall is not None and median and wall > 1.1 * median:
        said.append(f"wall time {milliseconds(wall)}")
    between = pair(verdict.get("latency_between_ms"))
    if verdict.get("reliable") is False and between is not None:
        said.append(f"not known exactly beside other programs: {milliseconds_interval(between)} without them")
    return " · ".join(said)

"""What the times say: who is on the front, how multiply-adds rank the networks, and which pairs they rank wrongly.

Pure functions of rows: `{name, base, line, macs, ms, low_ms, high_ms, top1, top1_is}`, times in ms.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

from scipy.stats import spearmanr

Row = Mapping[str, Any]
LEAST_RANKED = 4  # networks of a family from which a rank correlation says anything
SHOWN = 10
SIDES = ("fewer", "more")  # the two of a pair, by their multiply-adds


def pareto_front(rows: Sequence[Row]) -> list[str]:
    """Names of the networks with a published accuracy that no other such one beats, the fastest first.

    One beats another that is as fast or faster, as accurate or more, and not equal in both.
    """
    known = [row for row in rows if row["top1_is"] == "published"]
    front: list[Row] = []
    for row in sorted(known, key=lambda row: (row["ms"], -row["top1"])):
        best = front[-1] if front else None
        if best is None or row["top1"] > best["top1"] or (row["ms"], row["top1"]) == (best["ms"], best["top1"]):
            front.append(row)
    return [row["name"] for row in front]


def rank_correlation(rows: Sequence[Row]) -> float | None:
    """Spearman's, of multiply-adds with time; None for fewer than 4 networks and where all are alike."""
    if len(rows) < LEAST_RANKED:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant input, which the answer NaN says too
        found = float(spearmanr([row["macs"] for row in rows], [row["ms"] for row in rows]).statistic)
    return None if math.isnan(found) else found


def families(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """`[{base, networks, correlation, ms_per_100m}]`: by family, the cheapest multiply-add first.

    `ms_per_100m` is the median over its networks of the time for 100 million multiply-adds.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["base"], []).append(row)
    found = [
        {
            "base": base,
            "networks": len(group),
            "correlation": rank_correlation(group),
            "ms_per_100m": median(row["ms"] / row["macs"] * 1e8 for row in group),
        }
        for base, group in groups.items()
    ]
    return sorted(found, key=lambda family: family["ms_per_100m"])


def pairs(rows: Sequence[Row]) -> dict[str, Any]:
    """`{total, wrong, unclear, share, shown}`: the pairs that differ in multiply-adds, and those ordered wrongly.

    Wrong: the one with fewer multiply-adds takes longer, and the two intervals do not overlap; `unclear` are those in
    which it takes longer, but within noise. `share` is wrong over total, None for no pairs. `shown` are `instructive`.
    """
    total, unclear, wrong = 0, 0, list[dict[str, Any]]()
    for one, other in combinations(rows, 2):
        if one["macs"] == other["macs"]:
            continue
        total += 1
        fewer, more = sorted((one, other), key=lambda row: row["macs"])
        if fewer["low_ms"] > more["high_ms"]:
            ratios = {"macs_ratio": more["macs"] / fewer["macs"], "time_ratio": fewer["ms"] / more["ms"]}
            wrong.append({"fewer": dict(fewer), "more": dict(more), **ratios})
        elif fewer["ms"] > more["ms"]:
            unclear += 1
    share = len(wrong) / total if total else None
    return {"total": total, "wrong": len(wrong), "unclear": unclear, "share": share, "shown": instructive(wrong)}


def instructive(wrong: Sequence[dict[str, Any]], most: int = SHOWN) -> list[dict[str, Any]]:
    """The pairs in which both ratios are large (the product of their logarithms): no network twice, and no two
    lines of networks against each other twice."""
    shown: list[dict[str, Any]] = []
    seen: set[str] = set()
    met: set[frozenset[str]] = set()
    for pair in sorted(wrong, key=lambda pair: -math.log(pair["macs_ratio"]) * math.log(pair["time_ratio"])):
        names, lines = {pair[side]["name"] for side in SIDES}, frozenset(pair[side]["line"] for side in SIDES)
        if len(shown) < most and not names & seen and lines not in met:
            shown.append(pair)
            seen |= names
            met.add(lines)
    return shown

"""What an experiment's times say: its table for people and files, and a verdict for each of its claims."""

from __future__ import annotations

from statistics import median
from typing import Any

from pocketvision.guidelines.experiment import Claim, Experiment, Variant
from pocketvision.guidelines.timing import Times
from pocketvision.guidelines.verdict import Ratio, ratio, verdict
from pocketvision.measure.latency import median_interval


def rows(experiment: Experiment, times: Times) -> list[dict[str, Any]]:
    """`[{label, widths, cells: [{network, macs, ms, ms_interval, ratio, ratio_interval}], paper: {...} or None}]`.

    One cell for each column; `ratio` is to the first variant in the same column (see `Experiment.per_mac`).
    """
    return [
        {
            "label": variant.label,
            "widths": variant.widths,
            "cells": [_cell(experiment, times, variant, column) for column in range(len(experiment.columns))],
            "paper": _paper(experiment, variant.label),
        }
        for variant in experiment.variants
    ]


def claims(experiment: Experiment, times: Times) -> list[dict[str, Any]]:
    """`[{name, experiment, says, verdict, ratio, interval, rounds, paper}]`.

    `paper`: the same ratio in the paper's numbers, `{arm, gpu}`, or None.
    """
    made = []
    for claim in experiment.claims:
        found = _ratio(experiment, times, claim)
        made.append(
            {
                "name": claim.name,
                "experiment": experiment.name,
                "says": claim.says,
                "verdict": verdict(found),
                "ratio": found.median,
                "interval": [found.low, found.high],
                "rounds": found.rounds,
                "paper": _paper_ratio(experiment, claim),
            }
        )
    return made


def undecided(experiment: Experiment, times: Times) -> bool:
    """Whether more rounds could still decide something."""
    return any(verdict(_ratio(experiment, times, claim)) == "undecided" for claim in experiment.claims)


def _ratio(experiment: Experiment, times: Times, claim: Claim) -> Ratio:
    columns = claim.columns or range(len(experiment.columns))
    slow = [_times(experiment, times, label, column) for label in claim.slow for column in columns]
    fast = [_times(experiment, times, label, column) for label in claim.fast for column in columns]
    return ratio(slow, fast)


def _times(experiment: Experiment, times: Times, label: str, column: int) -> list[float]:
    """By round: ms, or ms per million multiply-adds."""
    key = label, column
    per = times.ready[key].macs / 1e6 if experiment.per_mac else 1.0
    return [ms / per for ms in times.ms[key]]


def _cell(experiment: Experiment, times: Times, variant: Variant, column: int) -> dict[str, Any]:
    key, first = (variant.label, column), experiment.variants[0].label
    own, reference = (_times(experiment, times, label, column) for label in (variant.label, first))
    found = ratio([own], [reference])
    return {
        "network": variant.specs[column].name,
        "macs": times.ready[key].macs,
        "ms": median(times.ms[key]),
        "ms_interval": list(median_interval(times.ms[key])),
        "ratio": found.median,
        "ratio_interval": [found.low, found.high],
    }


def _paper(experiment: Experiment, label: str) -> dict[str, Any] | None:
    """The published speeds, and how many times as long as the first variant they mean."""
    speeds = experiment.published.get(label)
    if speeds is None:
        return None
    first = experiment.published[experiment.variants[0].label]
    return {
        "arm_per_second": list(speeds.arm),
        "arm_ratio": [a / b for a, b in zip(first.arm, speeds.arm, strict=True)],
        "gpu_per_second": list(speeds.gpu),
        "gpu_ratio": [a / b for a, b in zip(first.gpu, speeds.gpu, strict=True)],
        "gpu_widths": speeds.gpu_widths,
    }


def _paper_ratio(experiment: Experiment, claim: Claim) -> dict[str, float] | None:
    """The claim's ratio in the paper's numbers, by device: the same geometric mean."""
    told = experiment.published
    columns = claim.columns or range(len(experiment.columns))
    if not all(label in told for label in (*claim.slow, *claim.fast)):
        return None
    found = {}
    for device in ("arm", "gpu"):
        slow = [[1 / getattr(told[label], device)[column]] for label in claim.slow for column in columns]
        fast = [[1 / getattr(told[label], device)[column]] for label in claim.fast for column in columns]
        found[device] = ratio(slow, fast).median
    return found

"""What an experiment's times say: its table for people and files, and a verdict for each of its claims."""

from __future__ import annotations

from statistics import geometric_mean, median
from typing import Any

from pocketvision.guidelines.experiment import Claim, Experiment, Variant
from pocketvision.guidelines.timing import Times
from pocketvision.guidelines.verdict import LEVEL, Ratio, ratio, verdict
from pocketvision.measure.latency import median_interval


def rows(experiment: Experiment, times: Times) -> list[dict[str, Any]]:
    """`[{label, widths, cells: [{network, macs, ms, ms_interval, ratio, ratio_interval}], paper: {...} or None}]`.

    One cell for each column; `ratio` is to the first variant in the same column (see `Experiment.per_mac`). Where a
    network, or the first variant's, answers wrongly, what rests on its time is None.
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
    """`[{name, experiment, says, verdict, ratio, interval, batches, reason, paper}]`.

    `paper`: the same ratio in the paper's numbers, `{arm, gpu}`, or None. A claim is "not measured" when one of its
    networks answers wrongly: `reason` then says which, `ratio` and `interval` are None.
    """
    made = []
    for claim in experiment.claims:
        reason = _why_not(experiment, times, claim)
        found = None if reason else _ratio(experiment, times, claim)
        made.append(
            {
                "name": claim.name,
                "experiment": experiment.name,
                "says": claim.says,
                "verdict": verdict(found) if found else "not measured",
                "ratio": found.median if found else None,
                "interval": [found.low, found.high] if found else None,
                "batches": times.batches,
                "reason": reason,
                "paper": _paper_ratio(experiment, claim),
            }
        )
    return made


def undecided(experiment: Experiment, times: Times) -> bool:
    """Whether more batches could still decide something."""
    return any(claim["verdict"] == "undecided" for claim in claims(experiment, times))


def _columns(experiment: Experiment, claim: Claim) -> tuple[int, ...]:
    return claim.columns or tuple(range(len(experiment.columns)))


def _why_not(experiment: Experiment, times: Times, claim: Claim) -> str | None:
    """Which of the claim's networks answers wrongly, in words."""
    for label in (*claim.slow, *claim.fast):
        for column in _columns(experiment, claim):
            if (label, column) in times.wrong:
                return f"of {label!r} at {experiment.columns[column]!r} {times.wrong[label, column]}"
    return None


def _ratio(experiment: Experiment, times: Times, claim: Claim) -> Ratio:
    slow, fast = (
        [_times(experiment, times, label, column) for label in side for column in _columns(experiment, claim)]
        for side in (claim.slow, claim.fast)
    )
    return ratio(slow, fast)


def _times(experiment: Experiment, times: Times, label: str, column: int) -> list[list[float]]:
    """By batch and round: ms, or ms per million multiply-adds."""
    key = label, column
    per = times.ready[key].macs / 1e6 if experiment.per_mac else 1.0
    return [[ms / per for ms in batch] for batch in times.ms[key]]


def _cell(experiment: Experiment, times: Times, variant: Variant, column: int) -> dict[str, Any]:
    key, first = (variant.label, column), (experiment.variants[0].label, column)
    cell: dict[str, Any] = {"network": variant.specs[column].name, "macs": times.ready[key].macs}
    cell |= dict.fromkeys(("ms", "ms_interval", "ratio", "ratio_interval"))
    if key not in times.wrong:
        batches = [median(batch) for batch in times.ms[key]]
        cell |= {"ms": median(batches), "ms_interval": list(median_interval(batches, LEVEL))}
    if not {key, first} & set(times.wrong):
        found = ratio([_times(experiment, times, *key)], [_times(experiment, times, *first)])
        cell |= {"ratio": found.median, "ratio_interval": [found.low, found.high]}
    return cell


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
    if not all(label in told for label in (*claim.slow, *claim.fast)):
        return None
    columns = _columns(experiment, claim)

    def speed(labels: tuple[str, ...], device: str) -> float:
        return geometric_mean(getattr(told[label], device)[column] for label in labels for column in columns)

    return {device: speed(claim.fast, device) / speed(claim.slow, device) for device in ("arm", "gpu")}

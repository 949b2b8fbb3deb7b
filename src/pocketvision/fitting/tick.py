"""The tick: is the network that ships one that a person can use, and if not, what is missing and what helps most?

All of it follows from the content of report.json, so that a file that is timed again is judged in the same way.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pocketvision.fitting.accuracy import Judgement, shortfalls
from pocketvision.fitting.budget import is_kept
from pocketvision.fitting.lost import Lost
from pocketvision.measure.latency import Latency
from pocketvision.units import counted

LONGER, LONGEST = 3, 30  # times as much training as there was: less would hardly show, more is another day's
FEW = 10  # images of a class, in all: with fewer there are none to learn from and to judge by
MUCH = 0.5  # of the epochs of the recipe: with fewer, more time promises more
ROOM = 1.05  # times what the network needs: a budget that it surely keeps
DIGITS = 3  # of a budget in a command


def latency_fields(latency: Latency, budget_ms: float) -> dict[str, Any]:
    """What the verdict says of a measurement."""
    return {
        "latency_ms": latency.median_ms,
        "latency_interval_ms": [latency.low_ms, latency.high_ms],
        "latency_between_ms": [latency.least_ms, latency.most_ms],
        "p10_ms": latency.p10_ms,
        "p90_ms": latency.p90_ms,
        "wall_ms": latency.wall_ms,
        "disturbed": latency.disturbed,
        "reliable": latency.reliable,
        "budget_ms": budget_ms,
        "budget_met": is_kept(latency, budget_ms) is True,
    }


def tick(report: Mapping[str, Any], settings: Mapping[str, Any], out: str) -> dict[str, Any]:
    """{tick, missing, help} of a report without them, whose run has `settings` and lies in the folder `out`.

    `missing` holds sentences without full stops, the worst first; `help` is {text, command}, the one that helps most,
    None with a tick.
    """
    run = _Run.of(report, settings, out)
    lost = [run.lost.sentence()] if run.lost else []
    accuracy = shortfalls(run.judged, report["data"]["classes"])
    missing = [*lost, *accuracy, *_latency(run)]
    if not missing:
        return {"tick": True, "missing": [], "help": None}
    text, command = _accuracy_help(run) if accuracy and not lost else _latency_help(run)
    return {"tick": False, "missing": missing, "help": {"text": text, "command": command}}


def could_learn_more(report: Mapping[str, Any], settings: Mapping[str, Any], out: str) -> list[str]:
    """A note for a network that can be used, and was trained for a small part of what its recipe asks for."""
    run = _Run.of(report, settings, out)
    if run.cut_short >= MUCH:
        return []
    text, command = _longer(run)
    return [f"It may get better by {text}: {command}"]


@dataclass(frozen=True)
class _Run:
    """Of a report, what the tick rests on, and what a command is made of."""

    settings: Mapping[str, Any]
    out: str
    verdict: Mapping[str, Any]
    training: Mapping[str, Any]
    counts: Mapping[str, int]  # images of each class, in all splits
    judged: Judgement
    latency: Latency
    lost: Lost | None

    @classmethod
    def of(cls, report: Mapping[str, Any], settings: Mapping[str, Any], out: str) -> _Run:
        verdict, lost = report["verdict"], report["verdict"]["lost"]
        return cls(
            settings,
            out,
            verdict,
            report["training"],
            images_of_classes(report["data"]["splits"]),
            Judgement.from_json(report["judged"]),
            Latency.from_json(report["timing"]),
            Lost(**lost) if lost else None,
        )

    @property
    def cut_short(self) -> float:
        """Which part of the epochs that the recipe asks for there was time for; 1 if it ended by itself."""
        done, planned = self.training["passes"], self.training["recipe"]["epochs"]
        return 1.0 if self.training["stopped_early"] or done >= planned else float(done / planned)

    @property
    def kept(self) -> bool | None:
        return is_kept(self.latency, self.settings["budget_ms"])


def _latency(run: _Run) -> list[str]:
    budget_ms, latency = run.settings["budget_ms"], run.latency
    if run.kept is None:
        return [
            "the latency could not be measured reliably: between "
            f"{latency.least_ms:.3g} and {latency.most_ms:.3g} ms, for a budget of {budget_ms:g} ms"
        ]
    if not run.kept:
        return [f"it does not keep the budget of {budget_ms:g} ms: it needs up to {latency.high_ms:.3g} ms"]
    return []


def _latency_help(run: _Run) -> tuple[str, str]:
    """What to do about the time, or about accuracy that was given up for it."""
    if run.lost and run.lost.needed_ms is None:
        return "training anew", fit_command(run.settings, run.out, "--fresh")
    if run.kept is None and not run.lost:
        return "timing the file again when the machine is less busy", fit_command(run.settings, run.out, "--retime")
    needed = run.lost.needed_ms if run.lost and run.lost.needed_ms else run.latency.high_ms
    roomier = {**run.settings, "budget_ms": float(f"{ROOM * needed:.{DIGITS}g}")}
    return "a budget that it keeps", fit_command(roomier)


def _accuracy_help(run: _Run) -> tuple[str, str]:
    """What to do about an accuracy that proves nothing."""
    judged, settings, model = run.judged, run.settings, run.verdict["trained_model"]
    train = ["pocketvision", "train", settings["data"], "--model", model]
    train += ["--pretrained", settings["pretrained"]] if run.verdict["pretrained"] and settings["pretrained"] else []
    if judged.is_undecided and "folds" not in run.verdict["split"]:
        return "cross-validation, which holds out every image once", shlex.join([*train, "--folds", "5"])
    few = {name: number for name, number in run.counts.items() if number < FEW}
    if few:
        name = min(few, key=few.__getitem__)
        which = f'"{name}"' if len(few) == 1 else f'{len(few)} classes, such as "{name}"'
        look = shlex.join(["pocketvision", "doctor", settings["data"]])
        return f"more images of {which} (there {'is' if few[name] == 1 else 'are'} {few[name]})", look
    if judged.is_clear and judged.leaves_out and judged.metric == "balanced_top1":
        return "training that shows each class as often as any other", shlex.join([*train, "--set", "balance=yes"])
    if run.cut_short < 1:
        return _longer(run)
    if not settings["pretrained"] and run.verdict["channels"] == 3:
        weights = {**settings, "pretrained": "auto"}
        return "weights that have learned from other photographs", fit_command(weights, run.out, "--fresh")
    return "a look at the labels and the images of each class", shlex.join(["pocketvision", "doctor", settings["data"]])


def _longer(run: _Run) -> tuple[str, str]:
    """More of the epochs that the recipe asks for."""
    done, planned = run.training["passes"], run.training["recipe"]["epochs"]
    seconds = min(LONGEST, max(LONGER, 1 / max(run.cut_short, 1 / LONGEST))) * run.settings["seconds"]
    seconds = float(60 * math.ceil(seconds / 60) if seconds > 120 else round(seconds))
    text = f"training longer (there was time for {done:.3g} of {counted(planned, 'epoch')})"
    return text, fit_command(run.settings, run.out, "--more-time", _duration(seconds))


def images_of_classes(splits: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Class -> images, of `{split: {class: images}}`."""
    found: dict[str, int] = {}
    for counts in splits.values():
        for name, number in counts.items():
            found[name] = found.get(name, 0) + number
    return found


def fit_command(settings: Mapping[str, Any], out: str | None = None, *more: str) -> str:
    """The `fit` command of a run with these settings; without `out` its own folder by default."""
    words = ["pocketvision", "fit", settings["data"], "--budget", f"{settings['budget_ms']:g}ms"]
    words += ["--time", _duration(settings["seconds"])]
    for name, usual in (("threads", 1), ("seed", 0), ("pretrained", None), ("device", None)):
        if settings.get(name, usual) != usual:
            words += [f"--{name}", str(settings[name])]
    for name, most in settings["limits"].items():
        words += [f"--max-{name}", f"{most}B" if name in ("size", "memory") else str(most)]
    return shlex.join([*words, *(["--out", out] if out else []), *more])


def _duration(seconds: float) -> str:
    """As `units.parse_duration` reads it: `8m`, `90s`."""
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:g}s"

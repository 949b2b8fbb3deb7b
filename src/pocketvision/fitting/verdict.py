"""What is said of a finished run: the content of report.json."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pocketvision import __version__
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import prepare
from pocketvision.data.reading import Skipped, read_each
from pocketvision.data.splits import class_counts
from pocketvision.evaluation import Evaluation
from pocketvision.fitting.clock import Clock
from pocketvision.fitting.ship import Shipping, explain_resolution
from pocketvision.fitting.timer import LONG
from pocketvision.journal import Journal
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.latency import Latency
from pocketvision.measure.machine import machine
from pocketvision.network import Network
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.history import History

FEW = 100  # held-out images; below, the interval of a middling accuracy is about 10 points wide on either side
FINAL_ATTEMPTS, PAUSE = 6, 8.0  # looks at the file that ships while it misses; seconds between them


@dataclasses.dataclass(frozen=True)
class Shipped:
    """The network that ships, as exported, checked, timed and judged on `split`."""

    net: Network
    check: dict[str, Any]
    latency: Latency
    attempts: int
    result: Evaluation | MultilabelEvaluation
    split: str


def time_again(
    path: Path, name: str, runtime: str, threads: int, budget_ms: float, journal: Journal, clock: Clock
) -> tuple[Latency, int]:
    """Latency of the file that ships. On a shared machine a burst of other work may pass: look again, and say so."""
    attempt = 0

    def look() -> dict[str, Any]:
        time.sleep(PAUSE if attempt > 1 else 0)
        return dataclasses.asdict(clock.time([path], runtime, threads, LONG)[0])

    while True:
        attempt += 1
        latency = Latency(**journal.once(f"{name}, file, attempt {attempt}", look))
        if latency.high_ms <= budget_ms or attempt == FINAL_ATTEMPTS:
            return latency, attempt


def make_report(
    shipped: Shipped,
    rows: list[dict[str, Any]],
    reason: str,
    shipping: Shipping,
    history: History,
    dataset: Dataset,
    settings: dict[str, Any],
    command: str,
    clock: Clock,
) -> dict[str, Any]:
    """The report without what other parts of the run add (calibration, pictures, the doctor's findings)."""
    net, latency, result = shipped.net, shipped.latency, shipped.result
    trained = next(row for row in rows if row["chosen"])
    rows = shipped_rows(rows, net, latency)
    return {
        "verdict": {
            "model": net.spec.name,
            "split": shipped.split,
            "task": dataset.task,
            **result.to_json(),
            f"{result.metric}_interval": list(result.interval),
            "latency_ms": latency.median_ms,
            "latency_interval_ms": [latency.low_ms, latency.high_ms],
            "p10_ms": latency.p10_ms,
            "p90_ms": latency.p90_ms,
            "budget_ms": settings["budget_ms"],
            "budget_met": latency.high_ms <= settings["budget_ms"],
            "runtime": settings["runtime"],
            "threads": settings["threads"],
            "device": clock.device,
            "size_bytes": shipped.check["size_bytes"],
            "params": rows[0]["params"],
            "macs": rows[0]["macs"],
            "width": rows[0]["width"],
            "resolution": net.spec.size[0],
            "trained_resolution": trained["resolution"],
            "channels": net.spec.channels,
            "classes": len(dataset.classes),
            "pretrained": net.provenance.get("pretrained"),
            "reason": reason,
            "limits": settings["limits"],
            "decode_ms": None if clock.device else _decode_ms(dataset.splits[shipped.split], net),
        },
        "export_check": {**shipped.check, result.metric: result.value},
        "candidates": rows,
        "shipping": shipping.to_json(),
        "training": history.to_json(),
        **_confusion(result, dataset),
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "classes": list(dataset.classes),
            "splits": class_counts(dataset),
        },
        "machine": clock.machine(),
        **({"trained_on": machine()} if clock.device else {}),
        "command": command,
        "version": __version__,
        "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "seed": settings["seed"],
        "notes": [
            *explain_resolution(trained["resolution"], shipping, net.spec.size[0], shipped.split),
            *_notes(shipped, history),
            *_advice(dataset, trained["model"], settings["pretrained"] if trained["pretrained"] else None),
        ],
    }


def shipped_rows(rows: list[dict[str, Any]], net: Network, latency: Latency) -> list[dict[str, Any]]:
    """The table of candidates with the network that ships in front, marked as the choice."""
    trained = next(row for row in rows if row["chosen"])
    name, costs = net.spec.name, count_spec(net.spec)
    shipped = {
        **next((row for row in rows if row["model"] == name), trained),
        "model": name,
        "resolution": net.spec.size[0],
        "params": costs.params,
        "macs": costs.macs,
        "latency_ms": latency.median_ms,
        "latency_interval_ms": [latency.low_ms, latency.high_ms],
        "timed": True,
        "chosen": True,
    }
    return [shipped, *({**row, "chosen": False} for row in rows if row["model"] != name)]


def _confusion(result: Evaluation | MultilabelEvaluation, dataset: Dataset) -> dict[str, Any]:
    """Which class was taken for which; nothing where an image may have several."""
    if isinstance(result, MultilabelEvaluation):
        return {}
    return {"confusion": {"classes": list(dataset.classes), "matrix": result.confusion.tolist()}}


def _decode_ms(samples: Sequence[Sample], net: Network, images: int = 20) -> float:
    began = time.perf_counter()
    read = read_each(samples[:images], lambda sample: prepare(sample.image, net.preprocessing), Skipped())
    return (time.perf_counter() - began) / max(1, len(read)) * 1000


def _notes(shipped: Shipped, history: History) -> list[str]:
    notes = []
    if shipped.split == "test":
        notes.append("The test split was looked at once, after training.")
    elif history.recipe.patience:
        notes.append("The epoch that ships was chosen by the val split, which makes its accuracy slightly too good.")
    else:
        notes.append("The epoch was not chosen by the val split: the averaged weights of the last epoch are shipped.")
    if shipped.attempts > 1:
        notes.append(
            f"The shipped file was timed {shipped.attempts} times, the machine being busy at first; the last time is "
            f"reported."
        )
    return notes


def _advice(dataset: Dataset, model: str, pretrained: str | None) -> list[str]:
    """For few held-out images: how to learn more from the same data."""
    held_out = len(dataset.splits.get("test") or dataset.splits["val"])
    if held_out >= FEW:
        return []
    weights = ["--pretrained", pretrained] if pretrained else []
    command = shlex.join(["pocketvision", "train", dataset.source, "--model", model, *weights, "--folds", "5"])
    return [
        f"{held_out} held-out images say little about the accuracy: `{command}` holds out every image once, and then "
        "trains on all of them."
    ]

"""What is said of a finished run: the content of report.json."""

from __future__ import annotations

import datetime
import shlex
import time
from collections.abc import Sequence
from typing import Any

from pocketvision import __version__
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import prepare
from pocketvision.data.reading import Skipped, read_each
from pocketvision.data.splits import class_counts
from pocketvision.evaluation import Evaluation
from pocketvision.fitting.accuracy import CARRY, FEW, NAMED, Judgement, figures, judge, never_sentence
from pocketvision.fitting.clock import Clock
from pocketvision.fitting.crossed import Crossed
from pocketvision.fitting.delivery import Shipped
from pocketvision.fitting.ship import explain_resolution
from pocketvision.fitting.tick import could_learn_more, latency_fields, tick
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.latency import Latency
from pocketvision.measure.machine import machine
from pocketvision.network import Network
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.history import History
from pocketvision.units import counted


def make_report(
    shipped: Shipped,
    crossed: Crossed | None,
    rows: list[dict[str, Any]],
    reason: str,
    history: History,
    dataset: Dataset,
    settings: dict[str, Any],
    out: str,
    command: str,
    clock: Clock,
) -> dict[str, Any]:
    """The report without what other parts of the run add (calibration, pictures, the doctor's findings).

    The accuracy is that of `crossed` where there was a cross-validation.
    """
    net, latency = shipped.net, shipped.latency
    result, split = (crossed.result, crossed.split) if crossed else (shipped.result, shipped.split)
    trained = next(row for row in rows if row["chosen"])
    rows = shipped_rows(rows, net, latency)
    judged = judge(result)
    pretrained = settings["pretrained"] if trained["pretrained"] else None
    report = {
        "verdict": {
            "model": net.spec.name,
            "split": split,
            "task": dataset.task,
            **result.to_json(),
            f"{result.metric}_interval": list(result.interval),
            **figures(result, judged, dataset.classes),
            "lost": shipped.lost.to_json() if shipped.lost else None,
            **latency_fields(latency, settings["budget_ms"]),
            "load": shipped.load,
            "runtime": settings["runtime"],
            "threads": settings["threads"],
            "device": clock.device,
            "size_bytes": shipped.check["size_bytes"],
            "params": rows[0]["params"],
            "macs": rows[0]["macs"],
            "width": rows[0]["width"],
            "resolution": net.spec.size[0],
            "trained_model": trained["model"],
            "trained_resolution": trained["resolution"],
            "channels": net.spec.channels,
            "classes": len(dataset.classes),
            "pretrained": net.provenance.get("pretrained"),
            "reason": reason,
            "limits": settings["limits"],
            "decode_ms": None if clock.device else _decode_ms(dataset.splits[shipped.split], net),
        },
        "export_check": {**shipped.check, shipped.result.metric: shipped.result.value},
        "held_out": {**shipped.result.to_json(), "split": shipped.split},
        "judged": judged.to_json(),
        "timing": latency.to_json(),
        "candidates": rows,
        "shipping": shipped.shipping.to_json(),
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
            *explain_resolution(trained["resolution"], shipped.shipping, net.spec.size[0], shipped.split),
            *_notes(shipped, history, judged, dataset),
            *_few(shipped, crossed, dataset, trained["model"], pretrained),
        ],
    }
    report["verdict"] |= tick(report, settings, out)
    report["notes"] += could_learn_more(report, settings, out) if report["verdict"]["tick"] else []
    return report


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


def _notes(shipped: Shipped, history: History, judged: Judgement, dataset: Dataset) -> list[str]:
    notes = []
    if shipped.split == "test":
        notes.append("The test split was looked at once, after training.")
    elif history.recipe.patience:
        notes.append("The epoch that ships was chosen by the val split, which makes its accuracy slightly too good.")
    else:
        notes.append("The epoch was not chosen by the val split: the averaged weights of the last epoch are shipped.")
    few = len(dataset.splits["val"])
    if few < CARRY:
        notes.append(
            f"{counted(few, 'validation image', 'validation images')} can carry no choice: size, crop and "
            "probabilities are as training left them."
        )
    if judged.never and not judged.leaves_out:
        sentence = never_sentence(judged.never, dataset.classes)
        notes.append(f"{sentence[0].upper()}{sentence[1:]}.")
    return notes


def _few(shipped: Shipped, crossed: Crossed | None, dataset: Dataset, model: str, pretrained: str | None) -> list[str]:
    """What few held-out images cannot say, and what was done about it or can be."""
    held_out = dataset.splits[shipped.split]
    if crossed:
        return [
            f"The {counted(len(held_out), 'image', 'images')} of the {shipped.split} split are too few to judge by: "
            f"{crossed.folds} networks were trained like the one that ships, each without the images that it was then "
            "judged on, and the accuracy is theirs together."
        ]
    notes = []
    unseen = sorted(set(range(len(dataset.classes))) - {label for sample in held_out for label in sample.labels})
    if unseen:
        named = ", ".join(f'"{dataset.classes[index]}"' for index in unseen[:NAMED])
        more = ", ..." if len(unseen) > NAMED else ""
        what = counted(len(unseen), "class has", "classes have")
        notes.append(f"{what} no image in the {shipped.split} split, and could not be judged: {named}{more}.")
    if len(held_out) < FEW:
        weights = ["--pretrained", pretrained] if pretrained else []
        command = shlex.join(["pocketvision", "train", dataset.source, "--model", model, *weights, "--folds", "5"])
        notes.append(
            f"{counted(len(held_out), 'held-out image says', 'held-out images say')} little about the accuracy. This "
            f"holds out every image once, and then trains on all of them: {command}"
        )
    return notes

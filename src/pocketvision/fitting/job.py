"""`fit`: time candidates, choose, train, export, verify, time again, report. Each step is resumed, none is assumed."""

from __future__ import annotations

import dataclasses
import datetime
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pocketvision import __version__
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import prepare
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts, require_classes
from pocketvision.errors import InputError
from pocketvision.evaluation import Evaluation, evaluate_samples
from pocketvision.exporting import export
from pocketvision.fitting.candidates import Candidate, grid
from pocketvision.fitting.choose import LONG, Timer, candidate_rows, choose, explain, open_call
from pocketvision.fitting.ship import (
    Shipping,
    at_resolution,
    choose_resolution,
    explain_resolution,
    ladder,
    time_networks,
)
from pocketvision.fitting.survey import survey
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.latency import Latency, time_interleaved
from pocketvision.measure.machine import machine
from pocketvision.models import create_model
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.report import write_report
from pocketvision.runfolder import RunFolder, split_once
from pocketvision.runtimes import get_runtime
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.loop import train_network
from pocketvision.training.recipe import fine_tune, from_scratch
from pocketvision.units import parse_duration
from pocketvision.weights import load_weights, read_state, recognise, save

MODEL, EXPORTED, REPORT = "model.safetensors", "model.onnx", "report.json"
CHOICE, SHIPPING = "state/choice.json", "state/shipping.json"
FORMAT = "onnx"
FINAL_ATTEMPTS = 4
FEW = 100  # held-out images; below, the interval of a middling accuracy is about 10 points wide on either side


def fit(
    data: str | Path,
    budget: str,
    *,
    time: str = "30m",
    threads: int = 1,
    runtime: str = "onnxruntime",
    pretrained: str | Path | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    fresh: bool = False,
    download: bool = False,
    show: bool = True,
    command: str | None = None,
) -> dict[str, Any]:
    """The most accurate network for the images in `data` whose latency on this device stays below `budget`.

    `budget` is a duration such as "5ms" for one call at batch 1 in `runtime` with `threads` threads; `time` bounds
    the training. Writes model.safetensors, model.onnx, report.json, report.html into `out`, and returns the report.
    The same call goes on with an unfinished run in `out`. `download` allows to fetch built-in data. InputError for bad
    input, and when nothing fits.
    """
    budget_ms = parse_duration(budget, "budget") * 1000
    seconds = parse_duration(time, "time")
    if threads < 1:
        raise InputError(f"{threads} threads: give 1 or more")
    if runtime != "onnxruntime":
        raise InputError(f"fit ships ONNX files, it cannot time them in {runtime!r}: use --runtime onnxruntime")
    dataset = open_dataset(data, download=download)
    require_classes(dataset)
    state = read_state(pretrained) if pretrained else None
    weights = recognise(state, str(pretrained)) if state else None
    settings = {
        "data": str(data),
        "budget_ms": budget_ms,
        "seconds": seconds,
        "threads": threads,
        "runtime": runtime,
        "pretrained": str(pretrained) if pretrained else None,
        "seed": seed,
    }
    with RunFolder(Path(out or default_out(data, budget)), settings, REPORT, fresh) as folder:
        finished = folder.read(REPORT)
        if finished is None:
            return _run(
                folder, dataset, settings, weights, state, show, command or f"pocketvision.fit({data!r}, {budget!r})"
            )
    if show:
        say(f"{folder.out} holds this run, finished: nothing to do (--fresh starts it again)")
    return finished


def _run(
    folder: RunFolder,
    dataset: Dataset,
    settings: dict[str, Any],
    weights: tuple[str, float] | None,
    state: dict[str, torch.Tensor] | None,
    show: bool,
    command: str,
) -> dict[str, Any]:
    """All steps, each taken up where an earlier process left it; `weights` says what network `state` is of."""
    seed, threads, runtime, budget_ms = (settings[key] for key in ("seed", "threads", "runtime", "budget_ms"))
    dataset = split_once(folder, dataset, seed)
    looked = survey(dataset.splits["train"])
    channels = 3 if weights else looked.channels
    timer = Timer(len(dataset.classes), channels, runtime, threads)
    chosen, rows, reason = _choice(folder, timer, grid(timer.classes, channels, looked.side, weights), budget_ms, show)
    cross_validate = _advice(dataset, chosen, settings["pretrained"])
    if show:
        for line in (reason, *cross_validate):
            say(line)

    torch.manual_seed(seed)  # here, not before: timing builds networks too, and a resumed run does not time again
    net = create_model(chosen.family, chosen.width, chosen.resolution, dataset.classes, channels, weights=None)
    net.task = dataset.task
    if state and chosen.pretrained:
        load_weights(net, state)
        net.provenance["pretrained"] = Path(settings["pretrained"]).name
    images = len(dataset.splits["train"])
    recipe = fine_tune(channels, images) if chosen.pretrained else from_scratch(channels)
    recipe = dataclasses.replace(recipe, seed=seed)
    history = train_network(net, dataset, recipe, settings["seconds"], folder.out, show)

    split_name = "test" if dataset.splits.get("test") else "val"
    held_out = dataset.splits[split_name]
    shipping = _shipping(folder, net, dataset.splits["val"], budget_ms, runtime, threads)
    net = at_resolution(net, shipping.resolution, shipping.resize)
    net.provenance.update(data=dataset.name, command=command, seed=seed, pocketvision=__version__)
    exported = folder.out / EXPORTED
    while True:
        check = export(net, FORMAT, exported, [sample.image for sample in held_out], show)
        latency, attempts = _time_again(exported, runtime, threads, budget_ms)
        smaller = [resolution for resolution in ladder(net) if resolution < net.spec.size[0]]
        if latency.high_ms <= budget_ms or not smaller:
            break
        net = at_resolution(net, smaller[-1], round(smaller[-1] * shipping.resize / shipping.resolution))
    result = evaluate_samples(get_runtime(runtime).load(exported), held_out, show)
    net.metrics = {**result.to_json(), "split": split_name}
    save(net, folder.out / MODEL)
    rows, row = _shipped_row(rows, net, latency)
    report = {
        "verdict": {
            "model": net.spec.name,
            "split": split_name,
            **result.to_json(),
            f"{result.metric}_interval": list(result.interval),
            "task": dataset.task,
            "latency_ms": latency.median_ms,
            "latency_interval_ms": [latency.low_ms, latency.high_ms],
            "p10_ms": latency.p10_ms,
            "p90_ms": latency.p90_ms,
            "budget_ms": budget_ms,
            "budget_met": latency.high_ms <= budget_ms,
            "runtime": runtime,
            "threads": threads,
            "size_bytes": check["size_bytes"],
            "params": row["params"],
            "macs": row["macs"],
            "width": chosen.width,
            "resolution": net.spec.size[0],
            "trained_resolution": chosen.resolution,
            "channels": channels,
            "classes": len(dataset.classes),
            "pretrained": net.provenance.get("pretrained"),
            "reason": reason,
            "decode_ms": _decode_ms(held_out, net),
        },
        "export_check": {**check, result.metric: result.value},
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
        "machine": machine(),
        "command": command,
        "version": __version__,
        "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "seed": seed,
        "notes": [
            *explain_resolution(chosen.resolution, shipping, net.spec.size[0], split_name),
            *_notes(split_name, attempts),
            *cross_validate,
        ],
    }
    write_report(report, folder.out / "report.html")
    folder.write(REPORT, report)  # last: its presence says that the run is finished
    return report


def default_out(data: str | Path, budget: str) -> Path:
    """`runs/ants_bees-4ms`."""
    return Path("runs") / f"{Path(data).stem}-{budget.replace(' ', '')}"


def _choice(
    folder: RunFolder, timer: Timer, candidates: list[Candidate], budget_ms: float, show: bool
) -> tuple[Candidate, list[dict[str, Any]], str]:
    """The chosen candidate, the table of all, and the reason; timed once, then remembered in the run folder."""
    saved = folder.read(CHOICE)
    if saved is None:
        chosen = choose(candidates, budget_ms, timer, show)
        saved = {
            "rows": candidate_rows(candidates, chosen, budget_ms, timer),
            "reason": explain(chosen, candidates, budget_ms, timer),
        }
        folder.write(CHOICE, saved)
    name = next(row["model"] for row in saved["rows"] if row["chosen"])
    return next(c for c in candidates if c.name == name), saved["rows"], saved["reason"]


def _shipping(
    folder: RunFolder, net: Network, val: Sequence[Sample], budget_ms: float, runtime: str, threads: int
) -> Shipping:
    """The resolution that ships; chosen once, then remembered in the run folder."""
    saved = folder.read(SHIPPING)
    if saved is None:
        found = choose_resolution(
            net, val, budget_ms, lambda nets, enough_ms: time_networks(nets, runtime, threads, enough_ms)
        )
        folder.write(SHIPPING, found.to_json())
        return found
    return Shipping(saved["resolution"], saved["resize"], tuple(saved["tried"]), tuple(saved["crops"]))


def _shipped_row(
    rows: list[dict[str, Any]], net: Network, latency: Latency
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The table of candidates with the network that ships marked as the choice; and its row."""
    trained = next(row for row in rows if row["chosen"])
    name = net.spec.name
    shipped = next((row for row in rows if row["model"] == name), trained)
    costs = count_spec(net.spec)
    shipped = {
        **shipped,
        "model": name,
        "resolution": net.spec.size[0],
        "params": costs.params,
        "macs": costs.macs,
        "latency_ms": latency.median_ms,
        "latency_interval_ms": [latency.low_ms, latency.high_ms],
        "timed": True,
        "chosen": True,
    }
    others = [{**row, "chosen": False} for row in rows if row["model"] != name]
    return [shipped, *others], shipped


def _time_again(path: Path, runtime: str, threads: int, budget_ms: float) -> tuple[Latency, int]:
    """Latency of the file that ships. On a shared machine a burst of other work may pass: look again, and say so."""
    call = open_call(runtime, path, threads)
    attempt = 0
    while True:
        attempt += 1
        latency = time_interleaved({"model": call}, threads=threads, **dataclasses.asdict(LONG))["model"]
        if latency.high_ms <= budget_ms or attempt == FINAL_ATTEMPTS:
            return latency, attempt
        time.sleep(5)


def _confusion(result: Evaluation | MultilabelEvaluation, dataset: Dataset) -> dict[str, Any]:
    """Which class was taken for which; nothing where an image may have several."""
    if isinstance(result, MultilabelEvaluation):
        return {}
    return {"confusion": {"classes": list(dataset.classes), "matrix": result.confusion.tolist()}}


def _decode_ms(samples: Sequence[Sample], net: Network, images: int = 20) -> float:
    began = time.perf_counter()
    for sample in samples[:images]:
        prepare(sample.image, net.preprocessing)
    return (time.perf_counter() - began) / min(images, len(samples)) * 1000


def _advice(dataset: Dataset, chosen: Candidate, pretrained: str | None) -> list[str]:
    """For few held-out images: how to learn more from the same data."""
    held_out = len(dataset.splits.get("test") or dataset.splits["val"])
    if held_out >= FEW:
        return []
    weights = ["--pretrained", pretrained] if pretrained and chosen.pretrained else []
    command = shlex.join(["pocketvision", "train", dataset.source, "--model", chosen.name, *weights, "--folds", "5"])
    return [
        f"{held_out} held-out images say little about the accuracy: `{command}` holds out every image once, and then "
        "trains on all of them."
    ]


def _notes(split_name: str, attempts: int) -> list[str]:
    notes = [
        f"The epoch was not chosen by the {split_name} split: the averaged weights of the last epoch are shipped."
        if split_name == "val"
        else "The test split was looked at once, after training.",
    ]
    if attempts > 1:
        notes.append(
            f"The shipped file was timed {attempts} times, the machine being busy at first; the last time is reported."
        )
    return notes

"""A closer look at a trained network, for the report: its mistakes, the labels it doubts, its time by kind of layer."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.calibration import Calibration, calibrate
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import Preprocessing, prepare
from pocketvision.evaluation import BATCH, Evaluation, evaluate_samples
from pocketvision.fitting.accuracy import CARRY, judge
from pocketvision.fitting.allowance import affordable
from pocketvision.fitting.gradcam import grad_cam
from pocketvision.fitting.reliability import reliability
from pocketvision.measure.profile import profile
from pocketvision.network import Network
from pocketvision.progress import Steps
from pocketvision.report.pictures import SIDE, Picture, picture
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.scores import MultilabelEvaluation

SHOWN = 12  # mistakes, and doubtful labels
DOUBTED = 0.5  # a label that is believed more than this is not doubtful
LOOKED_AT, SECONDS = 3000, 60.0  # training images whose labels are doubted, and the longest time for it
SHARE = 0.1  # of the time for training: the longest time for it too
CALIBRATED_ON = 5000  # validation images at most, and as many as take SECONDS


def calibrate_network(net: Network, val: Sequence[Sample], show: bool = True) -> None:
    """Give `net` the temperature and the threshold that suit the images of the validation split.

    None where images may have several classes, where there are fewer than CARRY, and for a network that is guessing.
    """
    net.calibration = Calibration()
    if len(val) < CARRY:
        return
    runnable = torch_runtime.load(net)

    def answers(samples: Sequence[Sample]) -> Evaluation | MultilabelEvaluation:
        return evaluate_samples(runnable, samples, show=False)

    some = affordable(val, CALIBRATED_ON, SECONDS, answers, "calibrating" if show else "")
    answered = evaluate_samples(runnable, some, show)
    if isinstance(answered, MultilabelEvaluation) or not judge(answered).is_clear:
        return  # each class for itself: there is no one answer to be unsure of; and no answer of a guess is sure
    net.calibration = calibrate(answered.probabilities, answered.labels)


def look_closely(
    net: Network,
    dataset: Dataset,
    result: Evaluation | MultilabelEvaluation,
    split: str,
    show: bool = True,
    seconds: float = SECONDS,
    exported: Path | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """The report's `calibration`, `mistakes`, `doubtful` and `profile`.

    `result` is what the exported file answered on `dataset.splits[split]`. Where images have several labels there is
    only the `profile`, and for a network that is guessing: what it doubts says nothing. No `calibration` for one that
    was not calibrated. At most `seconds` go into the doubtful labels. The `profile` is of the file that ships:
    `exported`, or one like it, in ONNX Runtime on `threads` threads.
    """
    looked_into = profile(net, runtime="onnxruntime", threads=threads, exported=exported)
    costs = {key: value for key, value in looked_into.items() if key != "rows"}
    if isinstance(result, MultilabelEvaluation) or not judge(result).is_clear:
        return {"profile": costs}
    held_out = dataset.splits[split]
    wrong = np.flatnonzero(result.answers != result.labels)
    worst = wrong[np.argsort(-result.probabilities[wrong].max(axis=1), kind="stable")][:SHOWN]
    looked, answered = _answers_in_time(net, dataset.splits["train"], show, seconds)
    everyone = np.arange(answered.images)
    believed = answered.probabilities[everyone, answered.labels]
    others = answered.probabilities.copy()
    others[everyone, answered.labels] = -1
    rather = others.argmax(axis=1)
    doubtful = [int(i) for i in np.argsort(believed, kind="stable")[:SHOWN] if believed[i] < DOUBTED]
    calibrated = {"calibration": reliability(result, net.calibration, split)} if net.calibration.images else {}
    return {
        **calibrated,
        "mistakes": {
            "split": split,
            "images": result.images,
            "wrong": len(wrong),
            "worst": [_entry(net, held_out[i], result.probabilities[i], int(result.answers[i])) for i in worst],
        },
        "doubtful": {
            "looked_at": answered.images,
            "of": len(dataset.splits["train"]),
            "contradicted": int((answered.answers != answered.labels).sum()),
            "least": float(believed.min()),
            "images": [_entry(net, looked[i], answered.probabilities[i], int(rather[i])) for i in doubtful],
        },
        "profile": costs,
    }


def pictures_of(net: Network, dataset: Dataset, report: Mapping[str, Any]) -> dict[str, Picture]:
    """By name, the images in the report's `mistakes` and `doubtful`, each with the heat of what spoke for the answer.

    The picture shows the crop that the network sees. An image that is no longer in `dataset` has none.
    """
    by_name = {_name(sample): sample for samples in dataset.splits.values() for sample in samples}
    entries = [
        *report.get("mistakes", {}).get("worst", ()),
        *report.get("doubtful", {}).get("images", ()),
    ]
    larger, found = _thumbnail(net.preprocessing), {}
    for entry in entries:
        if sample := by_name.get(entry["image"]):
            answer = np.array([net.classes.index(entry["answer"])])
            (heat,) = grad_cam(net, prepare(sample.image, net.preprocessing)[None], answer)
            found[entry["image"]] = picture(prepare(sample.image, larger), heat)
    return found


def _answers_in_time(
    net: Network, train: Sequence[Sample], show: bool, seconds: float
) -> tuple[Sequence[Sample], Evaluation]:
    """What the network answers on at most LOOKED_AT training images, spread over all, within about `seconds`."""
    stride = math.ceil(len(train) / LOOKED_AT)
    # In an order in which whatever time allows is spread over the classes too; the same in every run.
    some = [train[i] for i in np.random.default_rng(0).permutation(len(train))[::stride]]
    runnable, began, parts = torch_runtime.load(net), time.monotonic(), []
    with Steps("looking for doubtful labels", len(some), show) as steps:
        for start in range(0, len(some), BATCH):
            parts.append(evaluate_samples(runnable, some[start : start + BATCH], show=False))
            steps.done(start + parts[-1].images)
            if time.monotonic() - began > seconds:
                break
    labels, probabilities = ([getattr(part, name) for part in parts] for name in ("labels", "probabilities"))
    return some, Evaluation(np.concatenate(labels), np.concatenate(probabilities))


def _name(sample: Sample) -> str:
    return sample.name or sample.image.name


def _entry(net: Network, sample: Sample, probabilities: NDArray[np.float32], answer: int) -> dict[str, Any]:
    """One image in words; `answer` is the class that speaks against its label."""
    return {
        "image": _name(sample),
        "label": net.classes[sample.label],
        "answer": net.classes[answer],
        "probability": float(probabilities[answer]),
        "label_probability": float(probabilities[sample.label]),
    }


def _thumbnail(p: Preprocessing) -> Preprocessing:
    """The same view in another size: its longer side is SIDE."""
    scale = SIDE / max(p.resolution)
    height, width = (max(1, round(scale * side)) for side in p.resolution)
    box = (max(height, round(scale * p.resize[0])), max(width, round(scale * p.resize[1])))
    return replace(p, resolution=(height, width), resize=box)

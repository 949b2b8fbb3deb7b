"""A closer look at a trained network, for the report: its mistakes, the labels it doubts, its time by kind of layer."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.calibration import Calibration, calibrate
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import Preprocessing, prepare
from pocketvision.evaluation import BATCH, Evaluation, evaluate_samples
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
CALIBRATED_ON = 5000  # validation images at most


def calibrate_network(net: Network, val: Sequence[Sample], show: bool = True) -> None:
    """Give `net` the temperature and the threshold that suit the images of the validation split."""
    net.calibration = Calibration()
    some = val[:: math.ceil(len(val) / CALIBRATED_ON)]
    answered = evaluate_samples(torch_runtime.load(net), some, show)
    if isinstance(answered, MultilabelEvaluation):
        return  # each class for itself: there is no one answer to be unsure of
    net.calibration = calibrate(answered.probabilities, answered.labels)


def look_closely(
    net: Network, dataset: Dataset, result: Evaluation | MultilabelEvaluation, split: str, show: bool = True
) -> tuple[dict[str, Any], dict[str, Picture]]:
    """The report's `calibration`, `mistakes`, `doubtful` and `profile`; and pictures of the images in them, by name.

    `result` is what the exported file answered on `dataset.splits[split]`. Where images have several labels there is
    only the `profile`.
    """
    costs = {key: value for key, value in profile(net).items() if key != "rows"}
    if isinstance(result, MultilabelEvaluation):
        return {"profile": costs}, {}
    held_out = dataset.splits[split]
    wrong = np.flatnonzero(result.answers != result.labels)
    worst = wrong[np.argsort(-result.probabilities[wrong].max(axis=1), kind="stable")][:SHOWN]
    looked, answered = _answers_in_time(net, dataset.splits["train"], show)
    everyone = np.arange(answered.images)
    believed = answered.probabilities[everyone, answered.labels]
    others = answered.probabilities.copy()
    others[everyone, answered.labels] = -1
    rather = others.argmax(axis=1)
    doubtful = [int(i) for i in np.argsort(believed, kind="stable")[:SHOWN] if believed[i] < DOUBTED]
    pictures = _pictures(net, [held_out[i] for i in worst], result.answers[worst])
    pictures |= _pictures(net, [looked[i] for i in doubtful], rather[doubtful])
    found = {
        "calibration": reliability(result, net.calibration, split),
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
    return found, pictures


def _answers_in_time(net: Network, train: Sequence[Sample], show: bool) -> tuple[Sequence[Sample], Evaluation]:
    """What the network answers on at most LOOKED_AT training images, spread over all, within about SECONDS."""
    stride = math.ceil(len(train) / LOOKED_AT)
    # In an order in which whatever time allows is spread over the classes too; the same in every run.
    some = [train[i] for i in np.random.default_rng(0).permutation(len(train))[::stride]]
    runnable, began, parts = torch_runtime.load(net), time.monotonic(), []
    with Steps("looking for doubtful labels", len(some), show) as steps:
        for start in range(0, len(some), BATCH):
            parts.append(evaluate_samples(runnable, some[start : start + BATCH], show=False))
            steps.done(start + parts[-1].images)
            if time.monotonic() - began > SECONDS:
                break
    labels, probabilities = ([getattr(part, name) for part in parts] for name in ("labels", "probabilities"))
    return some, Evaluation(np.concatenate(labels), np.concatenate(probabilities))


def _entry(net: Network, sample: Sample, probabilities: NDArray[np.float32], answer: int) -> dict[str, Any]:
    """One image in words; `answer` is the class that speaks against its label."""
    return {
        "image": sample.name or sample.image.name,
        "label": net.classes[sample.label],
        "answer": net.classes[answer],
        "probability": float(probabilities[answer]),
        "label_probability": float(probabilities[sample.label]),
    }


def _pictures(net: Network, samples: Sequence[Sample], classes: NDArray[np.int64]) -> dict[str, Picture]:
    """By name, each image with the heat of what spoke for `classes[i]`. The picture shows the crop the network saw."""
    found = {}
    larger = _thumbnail(net.preprocessing)
    for sample, wanted in zip(samples, classes, strict=True):
        (heat,) = grad_cam(net, prepare(sample.image, net.preprocessing)[None], np.array([wanted]))
        found[sample.name or sample.image.name] = picture(prepare(sample.image, larger), heat)
    return found


def _thumbnail(p: Preprocessing) -> Preprocessing:
    """The same view in another size: its longer side is SIDE."""
    scale = SIDE / max(p.resolution)
    height, width = (max(1, round(scale * side)) for side in p.resolution)
    box = (max(height, round(scale * p.resize[0])), max(width, round(scale * p.resize[1])))
    return replace(p, resolution=(height, width), resize=box)

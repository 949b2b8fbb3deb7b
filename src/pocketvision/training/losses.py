"""What training minimises and what it reports, by task: one class for each image, or any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.scores import mean_average_precision


class Objective(Protocol):
    """`metric` names what `score` gives, between 0 and 1.

    The loader gives one integer for each image; `targets` makes of N such what the loss takes.
    """

    @property
    def metric(self) -> str: ...
    def samples(self, split: str) -> Sequence[Sample]:
        """The images of a split, each with the integer for `targets` as its label."""
        ...

    def targets(self, numbers: Tensor) -> Tensor: ...
    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over the images of N x classes `logits`, in nats."""
        ...

    def score(self, logits: Tensor, targets: Tensor) -> float: ...


class OneLabel:
    """Cross-entropy and top-1. The integers are the labels themselves; blended targets are N x classes shares."""

    metric = "top1"

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def samples(self, split: str) -> Sequence[Sample]:
        return self.dataset.splits.get(split, ())

    def targets(self, numbers: Tensor) -> Tensor:
        return numbers

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)

    def score(self, logits: Tensor, targets: Tensor) -> float:
        answered = logits.isfinite().all(1)  # NaN would count as the first class
        return float(((logits.argmax(1) == targets) & answered).float().mean())


class SeveralLabels:
    """Binary cross-entropy (mean over the classes) and mean average precision. Targets are N x classes, 0..1.

    The integers are rows of one table of targets, the splits one after the other. Labels are not smoothed: the
    probabilities are read against a threshold.
    """

    metric = "map"

    def __init__(self, dataset: Dataset) -> None:
        self.numbered: dict[str, tuple[Sample, ...]] = {}
        rows: list[Tensor] = []
        for split, samples in dataset.splits.items():
            self.numbered[split] = tuple(replace(s, label=len(rows) + i) for i, s in enumerate(samples))
            for sample in samples:
                row = torch.zeros(len(dataset.classes))
                row[list(sample.several)] = 1
                rows.append(row)
        self.table = torch.stack(rows)

    def samples(self, split: str) -> Sequence[Sample]:
        return self.numbered.get(split, ())

    def targets(self, numbers: Tensor) -> Tensor:
        return self.table[numbers.cpu()].to(numbers.device)

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets)

    def score(self, logits: Tensor, targets: Tensor) -> float:
        found = mean_average_precision(targets.cpu().numpy() > 0.5, logits.float().cpu().numpy())[0]
        return float(found) if found == found else 0.0


def objective(dataset: Dataset) -> Objective:
    """The one for the task of the data."""
    return SeveralLabels(dataset) if dataset.task == "multilabel" else OneLabel(dataset)

"""How often a network is right on labelled images, from the image files on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.calibration import cross_entropies
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import prepare
from pocketvision.data.reading import Skipped, read_each
from pocketvision.data.sources import open_dataset
from pocketvision.errors import InputError
from pocketvision.finite import require_finite_answers
from pocketvision.progress import Steps
from pocketvision.scores import MultilabelEvaluation

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes import Runnable
    from pocketvision.runtimes.predictor import Exported

BATCH = 32


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a network answered: N true `labels`, and N x classes `probabilities`."""

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    skipped: int = 0  # images that could not be read, besides those N
    metric: str = "top1"

    def __post_init__(self) -> None:
        require_finite_answers(self.probabilities, "a network that is evaluated")

    @property
    def images(self) -> int:
        return len(self.labels)

    @property
    def answers(self) -> NDArray[np.int64]:
        """The most probable class of each image; the first of equals."""
        return self.probabilities.argmax(axis=1)

    @property
    def top1(self) -> float:
        """Fraction of images whose most probable class is the true one."""
        return float((self.answers == self.labels).mean())

    @property
    def value(self) -> float:
        """The figure that stands for all: `top1`."""
        return self.top1

    @property
    def top5(self) -> float:
        """Fraction of images whose true class is among the five most probable."""
        best = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :5]
        return float((best == self.labels[:, None]).any(axis=1).mean())

    @property
    def losses(self) -> NDArray[np.float64]:
        """Cross-entropy of each image, in nats."""
        return cross_entropies(self.probabilities, self.labels)

    @property
    def loss(self) -> float:
        """Their mean."""
        return float(self.losses.mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """`confusion[truth, answer]` counts images."""
        classes = self.probabilities.shape[1]
        pairs = self.labels * classes + self.answers
        return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Images of each class."""
        return np.bincount(self.labels, minlength=self.probabilities.shape[1])

    @property
    def recalls(self) -> NDArray[np.float64]:
        """Of each class the fraction of its images that were answered rightly; NaN for a class without images."""
        right = self.confusion.diagonal().astype(np.float64)
        return np.divide(right, self.counts, out=np.full(len(right), np.nan), where=self.counts > 0)

    @property
    def balanced_top1(self) -> float:
        """The mean of `recalls` over the classes that have images: each class counts alike, however rare it is."""
        return float(np.nanmean(self.recalls))

    @property
    def balanced_interval(self) -> tuple[float, float]:
        """95 % interval of `balanced_top1` from the Wilson intervals of the recalls.

        The method of variance estimates recovery for a sum (Zou and Donner 2008, Statistics in Medicine 27): a class
        with one image, rightly answered, is not certain.
        """
        of_each = [(recall, *wilson(recall, n)) for recall, n in zip(self.recalls, self.counts, strict=True) if n]
        below = sum((recall - low) ** 2 for recall, low, _ in of_each) ** 0.5 / len(of_each)
        above = sum((high - recall) ** 2 for recall, _, high in of_each) ** 0.5 / len(of_each)
        return max(0.0, self.balanced_top1 - below), min(1.0, self.balanced_top1 + above)

    @property
    def never_answered(self) -> tuple[int, ...]:
        """The classes that have images here and are the answer to none."""
        return tuple(np.flatnonzero((self.counts > 0) & (self.confusion.sum(axis=0) == 0)).tolist())

    def to_json(self) -> dict[str, Any]:
        return {"images": self.images, "top1": self.top1, "top5": self.top5}

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson score interval of `top1`: what other images of the same kind could have given."""
        return wilson(self.top1, self.images)


def wilson(share: float, images: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share of right answers among `images`."""
    n, p, z = images, share, 1.96
    centre, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return max(0.0, low), min(1.0, high)


def evaluate(
    model: Network | Exported | str | Path, data: str | Path, split: str | None = None, download: bool = False
) -> dict[str, Any]:
    """{images, top1, top5, split, skipped, preprocessing} of a network on DATA.

    Its own class names decide what a label means. For a network of the task "multilabel" {map, f1, exact} instead of
    top-1 and top-5: mean average precision over the classes, micro F1 at a probability of 0.5, and the fraction of
    images with exactly the right labels.

    The test split when there is one, else val, else all images; `split` chooses. `download` allows to fetch built-in
    data. Images that cannot be read are `skipped`: counted, and named on standard error. InputError for labels that the
    network does not have.
    """
    if isinstance(model, (str, Path)):
        from pocketvision.loading import load

        model = load(model)
    if not hasattr(model, "predict"):
        raise InputError(f"cannot evaluate {model!r} ({type(model).__name__}): give a network, or the file of one")
    dataset = open_dataset(data, model.classes, download, model.task)
    name = split or next(name for name in ("test", "val", "train") if dataset.splits.get(name))
    if not dataset.splits.get(name):
        raise InputError(f"{data} has no {name} split; it has {', '.join(k for k, v in dataset.splits.items() if v)}")
    runnable = as_runnable(model)
    result = evaluate_samples(runnable, dataset.splits[name])
    return {
        **result.to_json(),
        "split": name if _is_split(dataset) else "all",
        "skipped": result.skipped,
        "preprocessing": runnable.preprocessing.to_json(),
    }


def _is_split(dataset: Dataset) -> bool:
    return sum(bool(samples) for samples in dataset.splits.values()) > 1


def as_runnable(model: Network | Exported) -> Runnable:
    """The thing that answers: an exported file's session, or the network in PyTorch."""
    from pocketvision.runtimes.predictor import Exported

    if isinstance(model, Exported):
        return model.runnable
    from pocketvision.runtimes import torch as runtime

    return runtime.load(model)


def evaluate_samples(
    runnable: Runnable, samples: Sequence[Sample], show: bool = True
) -> Evaluation | MultilabelEvaluation:
    """Decode, resize and classify each sample's file; what cannot be read is left out, and named when `show`."""
    found, judged, skipped = [], list[Sample](), Skipped()
    with Steps("evaluating", len(samples), show) as steps:
        for start in range(0, len(samples), BATCH):
            chunk = samples[start : start + BATCH]
            read = read_each(chunk, lambda sample: prepare(sample.image, runnable.preprocessing), skipped)
            if read:
                found.append(runnable.run(np.stack(list(read.values()))))
                judged += [chunk[index] for index in read]
            steps.done(start + len(chunk))
    skipped.say(len(samples), show)
    if runnable.task == "multilabel":
        truth = np.zeros((len(judged), len(runnable.classes)), np.bool_)
        for row, sample in zip(truth, judged, strict=True):
            row[list(sample.labels)] = True
        return MultilabelEvaluation(truth, np.concatenate(found), len(skipped.reasons))
    return Evaluation(np.array([sample.label for sample in judged]), np.concatenate(found), len(skipped.reasons))

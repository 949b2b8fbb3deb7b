"""How often a network is right on labelled images, from the image files on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.arguments import as_annotated
from pocketvision.calibration import cross_entropies
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.findings import printable, unread
from pocketvision.data.image import prepare
from pocketvision.data.reading import Skipped, read_each
from pocketvision.data.record import changed_since, share_of_sketch, trained_on
from pocketvision.data.sources import open_dataset
from pocketvision.data.stratify import key
from pocketvision.errors import InputError
from pocketvision.finite import require_finite_answers
from pocketvision.progress import Steps, say
from pocketvision.scores import MultilabelEvaluation
from pocketvision.units import counted, percent

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes import Runnable
    from pocketvision.runtimes.predictor import Exported

BATCH = 32
KNOWN = 0.1  # share of the training images; fewer may only have the same names and sizes
TOP = 5  # of so few classes, the five most probable are all


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
        best = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :TOP]
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
        several = {"top5": self.top5} if self.probabilities.shape[1] > TOP else {}
        return {"images": self.images, "top1": self.top1, **several}

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


@as_annotated("model", "data")
def evaluate(
    model: Network | Exported | str | Path,
    data: str | Path,
    split: str | None = None,
    download: bool = False,
    run: str | Path | None = None,
) -> dict[str, Any]:
    """{images, top1, top5, split, skipped, notes, preprocessing} of a network on DATA; top5 for more than five classes.

    `notes` are sentences on what was guessed or passed over: labels read as indices, images in no class folder.

    Its own class names decide what a label means. For a network of the task "multilabel" {map, f1, exact} instead of
    top-1 and top-5: mean average precision over the classes, micro F1 at a probability of 0.5, and the fraction of
    images with exactly the right labels.

    The test split when there is one, else val, else all images; `split` chooses. `run` is the file or folder that the
    network came from, `model` itself where that is one: where it lies in a run folder, the images that it was trained
    on are left out unless `split` asks for them, and said. `download` allows to fetch built-in data. Images that cannot
    be read are `skipped`: counted, and named on standard error. InputError for labels that the network does not have.
    """
    if isinstance(model, (str, Path)):
        from pocketvision.loading import load

        run = run or model
        model = load(model)
    if not hasattr(model, "predict"):
        raise InputError(f"cannot evaluate {model!r} ({type(model).__name__}): give a network, or the file of one")
    dataset = open_dataset(data, model.classes, download, model.task)
    if dataset.unread:
        say(unread(dataset.unread))
    for severity, sentence in dataset.notes:
        if severity == "warning":
            say(printable(sentence))
    runnable = as_runnable(model)
    name, samples = _chosen(dataset, split, run, _sketch_of(model))
    result = evaluate_samples(runnable, samples)
    return {
        **result.to_json(),
        **_beside(result),
        "never_answered": [model.classes[index] for index in result.never_answered],
        "split": name,
        "skipped": result.skipped,
        "notes": [printable(sentence) for _, sentence in dataset.notes],
        "preprocessing": runnable.preprocessing.to_json(),
    }


def _beside(result: Evaluation | MultilabelEvaluation) -> dict[str, float]:
    """What a top-1 accuracy is worth: each class counted alike, and what one answer for every image reaches."""
    if isinstance(result, MultilabelEvaluation):
        return {}
    return {"balanced_top1": result.balanced_top1, "baseline_top1": float(result.counts.max() / result.images)}


def _chosen(
    dataset: Dataset, split: str | None, run: str | Path | None, known: Sequence[str]
) -> tuple[str, Sequence[Sample]]:
    """The name of what is evaluated and its images; what was trained on is left out or said."""
    seen = trained_on(_folder_of(run), dataset) if run else set()
    if run and (change := changed_since(_folder_of(run), dataset)):
        say(printable(f"{dataset.source} has changed since the network was trained on it: {change.described()}"))
    name = split or next(name for name in ("test", "val", "train") if dataset.splits.get(name))
    samples: Sequence[Sample] = dataset.splits.get(name, ())
    if not samples and name == "val" and seen:  # the run's own
        samples = [sample for sample in dataset.splits.get("train", ()) if key(sample) not in seen]
    if not samples:
        found = ", ".join(k for k, v in dataset.splits.items() if v)
        raise InputError(f"{dataset.source} has no {name} split; it has {found}")
    trained = sum(key(sample) in seen for sample in samples)
    of = f"{trained:,} of {counted(len(samples), 'image', 'images')} of {dataset.source}"
    if trained and split is None and trained < len(samples):
        say(f"left out, because the network was trained on them: {of} (--split {name} counts them)")
        return "held out", [sample for sample in samples if key(sample) not in seen]
    if trained:
        say(f"the network was trained on {of}: on other images it will be right less often")
    elif not seen and known and (share := share_of_sketch(known, samples, dataset.classes)) >= KNOWN:
        say(
            f"about {percent(share, 0)} of the images that the network was trained on are among those of "
            f"{dataset.source}: on "
            "other images it will be right less often (in its run folder the file is evaluated on held-out ones)"
        )
    several = sum(bool(part) for part in dataset.splits.values()) > 1
    return (name if several or split else "all"), samples


def _folder_of(run: str | Path) -> Path:
    path = Path(run)
    return path if path.is_dir() else path.parent


def _sketch_of(model: Network | Exported) -> Sequence[str]:
    """What the network remembers of its training images; nothing where its file is of an earlier release."""
    from pocketvision.runtimes.predictor import Exported

    info = getattr(model.runnable, "info", {}) if isinstance(model, Exported) else model.provenance
    return list(info.get("trained_on", ()))


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

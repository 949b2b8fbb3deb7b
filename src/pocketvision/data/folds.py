"""k folds: every image is held out once, in the fold that it was dealt to; what belongs together stays together."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.stratify import bundles, count, deal
from pocketvision.errors import InputError
from pocketvision.units import counted


def deal_folds(dataset: Dataset, folds: int, seed: int = 0, together: Iterable[Collection[str]] = ()) -> Dataset:
    """The images of train and val as the splits "fold-1" .. "fold-k", each with its share of every class; test stays.

    Whole groups are dealt, where images have one, and sets of names that belong `together`, such as copies of one
    picture. The same data and seed give the same folds. Raises InputError for
    less than two folds, and for more than a class has images, or groups.
    """
    if folds < 2:
        raise InputError(f"{counted(folds, 'fold')}: give 2 or more, such as 5")
    samples = sorted(
        (sample for name in ("train", "val") for sample in dataset.splits.get(name, ())), key=lambda s: s.name
    )
    parts = bundles(samples, together)
    counts = count(samples, parts, len(dataset.classes))
    _require_enough(dataset, (counts > 0).sum(axis=0).tolist(), folds, _unit(samples, len(parts)))
    wanted = np.tile(counts.sum(axis=0) / folds, (folds, 1))
    dealt = deal(counts, np.array([len(part) for part in parts]), wanted, seed)
    for fold in range(folds):
        if not counts[dealt != fold].any(axis=0).all():
            raise InputError(
                f"data {dataset.source} cannot be dealt into {folds} folds: one would hold all images of a class; "
                "give fewer folds"
            )
    homes = {index: int(fold) for part, fold in zip(parts, dealt, strict=True) for index in part}
    splits = {
        f"fold-{fold + 1}": tuple(sample for index, sample in enumerate(samples) if homes[index] == fold)
        for fold in range(folds)
    }
    return replace(dataset, splits=splits | {name: part for name, part in dataset.splits.items() if name == "test"})


def hold_out_fold(dealt: Dataset, fold: str) -> Dataset:
    """Train on all folds but one, which is "val"."""
    train = [s for name, part in dealt.splits.items() if name not in (fold, "test") for s in part]
    return replace(dealt, splits={"train": tuple(sorted(train, key=lambda s: s.name)), "val": dealt.splits[fold]})


def all_folds(dealt: Dataset) -> Dataset:
    """Train on everything that was dealt; the test split is as it was."""
    train = [sample for name, part in dealt.splits.items() if name != "test" for sample in part]
    test = {"test": dealt.splits["test"]} if "test" in dealt.splits else {}
    return replace(dealt, splits={"train": tuple(sorted(train, key=lambda s: s.name)), **test})


def _unit(samples: Sequence[Sample], parts: int) -> tuple[str, str]:
    """What is dealt, in words: one, and several."""
    if any(sample.group for sample in samples):
        return "group", "groups"
    return ("image", "images") if parts == len(samples) else ("different picture", "different pictures")


def _require_enough(dataset: Dataset, carriers: list[int], folds: int, unit: tuple[str, str]) -> None:
    """`carriers`: for each class its images, or the groups that hold some."""
    fewest = min(carriers)
    if fewest >= folds:
        return
    name = dataset.classes[carriers.index(fewest)]
    most = f"give --folds {fewest}, or add" if fewest > 1 else "add"
    raise InputError(
        f"data {dataset.source} has {counted(fewest, *unit)} of class {name}, too few for {folds} folds: {most} some"
    )

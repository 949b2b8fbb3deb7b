"""Holds out a validation split, and remembers which image is in which split, so that a resumed run sees the same."""

import json
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.names import composed
from pocketvision.data.stratify import bundles, count, hold_out, key
from pocketvision.errors import InputError
from pocketvision.files import write_atomic
from pocketvision.units import counted

FORMAT = 1
HELD_OUT = 0.2  # the share of the images
MOST_HELD_OUT = 5000  # an accuracy of 90 % is then known to 0.8 points; more would be missed in training
Label = int | list[int]


def split(
    dataset: Dataset, val_fraction: float | None = None, seed: int = 0, together: Iterable[Collection[str]] = ()
) -> Dataset:
    """Carve `val` out of `train`, class by class, when the data has no `val`; otherwise the data as it is.

    `val_fraction` None: a fifth, of many images only so many as tell two networks apart (MOST_HELD_OUT).

    Of each class with two images or more at least one is held out, and at least one stays. Whole groups are held out
    where images have groups; there, and where images have several classes, the shares come as close as they can.
    `together` are sets of names, such as copies of one picture: they too are held out whole, unless a class without
    groups has nothing else. The same data and seed give the same split. Raises InputError when no class has two images,
    or two groups.
    """
    if "val" in dataset.splits or "train" not in dataset.splits:
        return dataset
    if val_fraction is None:
        val_fraction = min(HELD_OUT, MOST_HELD_OUT / max(1, len(dataset.splits["train"])))
    if not 0 < val_fraction < 1:
        raise InputError(
            f"a validation share of {val_fraction:g} is not possible: give one between 0 and 1, such as 0.2"
        )
    train = dataset.splits["train"]
    belonging = bundles(train, together)
    if any(sample.group for sample in train) or dataset.task == "multilabel":
        held_out = _as_dealt(dataset, val_fraction, seed, belonging)
    else:
        units = {index: set(part) for part in belonging for index in part}
        held_out = _class_by_class(dataset, val_fraction, seed, units)
    parts = {
        "train": tuple(sample for index, sample in enumerate(train) if index not in held_out),
        "val": tuple(train[index] for index in sorted(held_out)),
    }
    return replace(dataset, splits=parts | {name: part for name, part in dataset.splits.items() if name != "train"})


def _class_by_class(dataset: Dataset, val_fraction: float, seed: int, units: dict[int, set[int]]) -> set[int]:
    """Places in train to hold out; a unit as a whole or not at all, unless its class has nothing smaller."""
    train = dataset.splits["train"]
    members: dict[int, list[int]] = {}
    for index, sample in enumerate(train):
        members.setdefault(sample.label, []).append(index)
    held_out: set[int] = set()
    for label, indices in sorted(members.items()):
        # A generator for each class: images added to one class do not reshuffle the others.
        random.Random(f"{seed}/{dataset.classes[label]}").shuffle(indices)
        wanted = min(max(1, round(len(indices) * val_fraction)), len(indices) - 1)
        drawn: set[int] = set()
        for index in indices:
            unit = units[index]
            if len(drawn | unit) <= wanted and all(train[other].label == label for other in unit):
                drawn |= unit
        held_out |= drawn or set(indices[:wanted])
    if not held_out:
        raise InputError(f"data {dataset.source} has one image per class, none to validate on: add images")
    return held_out


def _as_dealt(dataset: Dataset, val_fraction: float, seed: int, groups: list[list[int]]) -> set[int]:
    """For whole groups, and for images with several labels."""
    train = dataset.splits["train"]
    what = "group" if any(sample.group for sample in train) else "image"
    column = ", or leave the column group out" if what == "group" else ""
    if len(groups) == 1:
        raise InputError(
            f"data {dataset.source} has one {what} only ({train[0].group or train[0].name}), which stays in one split, "
            f"so that nothing is left to validate on: add images of another group{column}"
        )
    sizes = np.array([len(group) for group in groups])
    held = hold_out(count(train, groups, len(dataset.classes)), sizes, val_fraction, seed)
    if not held.any():
        raise InputError(
            f"data {dataset.source}: every {what} is the only one of some class, so that none can be held out to "
            f"validate on: add images{column}"
        )
    return {index for group, out in zip(groups, held, strict=True) if out for index in group}


def require_classes(dataset: Dataset) -> None:
    """Raise InputError unless there is something to learn: two classes or more, each with images to train on."""
    where = f"data {dataset.source}"
    train = dataset.splits.get("train", ())
    if not train:
        found = ", ".join(dataset.splits) or "nothing"
        raise InputError(f"{where} has no images to train on (only {found}): add train/<class>/ folders")
    if len(dataset.classes) < 2:
        raise InputError(
            f"{where} has one class only ({dataset.classes[0]}): add a folder with images of another class, "
            "for instance of what it is to be told apart from"
        )
    seen = {label for sample in train for label in sample.labels}
    missing = [name for label, name in enumerate(dataset.classes) if label not in seen]
    if missing:
        raise InputError(
            f"{where} has no images to train on of {counted(len(missing), 'class', 'classes')} (first: {missing[0]}): "
            "add images, or leave the class out"
        )


def class_counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Images per class, zeros included: `{"train": {"ants": 123, ...}, ...}`."""
    counts = {
        name: Counter(label for sample in part for label in sample.labels) for name, part in dataset.splits.items()
    }
    return {
        name: {class_name: count[label] for label, class_name in enumerate(dataset.classes)}
        for name, count in counts.items()
    }


def save_splits(dataset: Dataset, path: str | Path) -> None:
    """Write the classes in order and, for each split, the names and labels of its images, as JSON, atomically.

    A label is an index into the classes; a list of them in multi-label data.
    """
    content = {
        "format": FORMAT,
        "source": dataset.source,
        "classes": dataset.classes,
        "splits": {name: {key(sample): _label(sample) for sample in part} for name, part in dataset.splits.items()},
    }
    write_atomic(path, json.dumps(content, indent=1) + "\n")


def load_splits(path: str | Path, dataset: Dataset) -> Dataset:
    """`dataset`, opened again, in exactly the splits, order and labels that were saved; new images are left out.

    Raises InputError when the file is missing or damaged, and when an image is gone from the data or labelled anew.
    """
    classes, saved = _read(path)
    now = {key(sample): sample for part in dataset.splits.values() for sample in part}
    saved = {name: {_found(image, now): label for image, label in part.items()} for name, part in saved.items()}
    gone = [name for part in saved.values() for name in part if name not in now]
    if gone:
        raise InputError(
            f"{counted(len(gone), 'image', 'images')} of {path} (first: {gone[0]}) no longer in data {dataset.source}: "
            "put them back, or start a new run"
        )
    splits = {}
    for split_name, part in saved.items():
        for name, label in part.items():
            before, after = _names(label, classes), _names(_label(now[name]), dataset.classes)
            if composed(before) != composed(after):
                raise InputError(
                    f"{name} was labelled {before} in {path} and is {after} in data {dataset.source}: start a new run"
                )
        splits[split_name] = tuple(_labelled(now[name], label) for name, label in part.items())
    return replace(dataset, classes=classes, splits=splits)


def saved_splits(path: str | Path) -> Mapping[str, Mapping[str, Label]]:
    """The names of the images of each split, with their labels, as `save_splits` wrote them. InputError as above."""
    return _read(path)[1]


def _found(name: str, now: Mapping[str, Sample]) -> str:
    """The name as it is now: releases before this one saved it in whatever Unicode form the file system had."""
    return name if name in now else composed(name)


def _label(sample: Sample) -> Label:
    return sample.label if sample.label >= 0 else list(sample.several)


def _labelled(sample: Sample, label: Label) -> Sample:
    return replace(sample, label=label) if isinstance(label, int) else replace(sample, several=tuple(label))


def _names(label: Label, classes: tuple[str, ...]) -> str:
    return classes[label] if isinstance(label, int) else "|".join(sorted(classes[index] for index in label))


def _read(path: str | Path) -> tuple[tuple[str, ...], Mapping[str, dict[str, Label]]]:
    try:
        content: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"unknown format {content['format']}")
        classes, splits = tuple(map(str, content["classes"])), content["splits"]
        for part in splits.values():
            for name, label in part.items():
                if not all(
                    isinstance(i, int) and 0 <= i < len(classes) for i in ([label] if isinstance(label, int) else label)
                ):
                    raise ValueError(f"label {label} of {name}")
    except FileNotFoundError as error:
        raise InputError(f"splits {path} not found: start a new run") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read splits {path}: damaged ({error}); start a new run") from error
    return classes, splits

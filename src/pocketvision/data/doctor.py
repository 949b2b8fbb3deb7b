"""The dataset doctor: what is in the data, and what is wrong with it, before anything is trained on it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.duplicates import Group, exact_groups, near_groups
from pocketvision.data.embedding import EDGES_AND_COLOURS
from pocketvision.data.findings import find, unread, unreadable
from pocketvision.data.look import Embedding, Looks, look_at
from pocketvision.data.neighbours import doubtful
from pocketvision.data.splits import class_counts
from pocketvision.errors import InputError
from pocketvision.units import counted


@dataclass(frozen=True)
class Examination:
    """What `examine` found. Every field is made of JSON values; `to_json` says what they hold."""

    images: int
    classes: list[str]
    splits: dict[str, dict[str, int]]
    imbalance: float | None
    sides: dict[str, Any]
    unreadable: list[dict[str, str]]
    unread: list[str]
    duplicates: list[dict[str, Any]]
    suspicious: list[dict[str, Any]]
    looked: dict[str, Any]
    findings: list[dict[str, str]]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values:

        `images`: how many were looked at, readable or not. `classes`: their names, in the order of the labels.
        `splits`: {split: {class: readable images}}. `imbalance`: images of the largest class of train (or of the first
        split) for one of the smallest; None when that has none.
        `sides`: {"shorter": {"min", "median", "max"}, "longer": the same, "grey": images, "colour": images}; in px, of
        upright images; empty without readable images.
        `unreadable`: [{"image", "reason"}]. `image` is always the name inside the data, such as "train/ants/1.jpg".
        `unread`: names of files in class folders that are no images of a kind we read; they are not among `images`.
        `duplicates`: [{"images": [names], "near": bool, "across_splits": bool, "labels": [class of each image]}]; of
        exact copies only the first is in a group of near ones.
        `suspicious`: [{"image", "label", "neighbours_say", "share"}], strongest first; `share` of the nearest
        neighbours say that other class.
        `looked`: {"seconds", "images_per_second", "near_duplicates_among": images, "labels_judged_among": images,
        "labels_judged_by": name of the embedding, "classes_not_judged": [names]}.
        `findings`: [{"severity": "error" | "warning" | "note", "text": one sentence}], errors first.
        """
        return asdict(self)

    @classmethod
    def from_json(cls, content: Any) -> Examination:
        """Rebuild from `to_json`. Raises InputError when it was written by another version, or damaged."""
        if not isinstance(content, dict) or set(content) != {field.name for field in fields(cls)}:
            raise InputError("the saved examination of the data is damaged or of another version: start with --fresh")
        return cls(**content)


def examine(dataset: Dataset, embedding: Embedding = EDGES_AND_COLOURS, show: bool = True) -> Examination:
    """Decode every image once, and say what a person would want to know before training on them.

    `embedding` says how alike images are, for the search for wrong labels. Needs about 1 kB of memory an image.
    """
    began = time.monotonic()
    samples = [sample for part in dataset.splits.values() for sample in part]
    split_of = np.repeat(np.array(list(dataset.splits), object), [len(part) for part in dataset.splits.values()])
    looks = look_at(samples, embedding, show)
    seen = [samples[place] for place in looks.kept]
    near, searched = near_groups(looks.digests, looks.thumbs)
    groups = [*exact_groups(looks.digests), *near]
    labels = np.array([seen[place].label for place in looks.embedded], np.intp)
    single = dataset.task == "classify"  # what neighbours say is one class
    doubts, unknown = doubtful(looks.vectors, labels, len(dataset.classes)) if single else ([], [])
    counts = class_counts(_only(dataset, {name_of(sample) for sample in seen}))
    seconds = time.monotonic() - began
    found = Examination(
        images=len(samples),
        classes=list(dataset.classes),
        splits=counts,
        imbalance=_imbalance(counts),
        sides=_sides(looks),
        unreadable=[{"image": name_of(samples[place]), "reason": why} for place, why in looks.unreadable.items()],
        unread=list(dataset.unread),
        duplicates=[_duplicate(group, seen, split_of[looks.kept].tolist(), dataset.classes) for group in groups],
        suspicious=[
            {
                "image": name_of(seen[looks.embedded[doubt.place]]),
                "label": dataset.classes[labels[doubt.place]],
                "neighbours_say": dataset.classes[doubt.says],
                "share": doubt.share,
            }
            for doubt in doubts
        ],
        looked={
            "seconds": round(seconds, 2),
            "images_per_second": round(len(samples) / max(seconds, 1e-3), 1),
            "near_duplicates_among": searched,
            "labels_judged_among": len(labels) if single else 0,
            "labels_judged_by": embedding.name,
            "classes_not_judged": [dataset.classes[label] for label in unknown],
        },
        findings=[],
    )
    return replace(found, findings=find(found, dataset))


def drop_unreadable(dataset: Dataset, examination: Examination) -> Dataset:
    """`dataset` without the images that could not be read; a split that has no other images is gone."""
    gone = {entry["image"] for entry in examination.unreadable}
    return _only(dataset, {name_of(s) for part in dataset.splits.values() for s in part} - gone) if gone else dataset


def same_pictures(examination: Examination, dataset: Dataset) -> list[set[str]]:
    """Names of images that show the same picture, and belong into one split.

    Copies that only nearly agree do not join groups that the data keeps apart: whoever made them knows better.
    """
    group_of = {name_of(sample): sample.group for part in dataset.splits.values() for sample in part}
    found = []
    for entry in examination.duplicates:
        groups = {group_of.get(name, "") for name in entry["images"]} - {""}
        if not entry["near"] or len(groups) < 2:
            found.append(set(entry["images"]))
    return found


def refuse_unreadable(examination: Examination, source: str) -> None:
    """Raise InputError when an image, or a file in a class folder, could not be read, with the first names."""
    if examination.unreadable:
        raise InputError(
            f"{len(examination.unreadable):,} of {counted(examination.images, 'image')} of data {source} cannot be "
            f"read: {unreadable(examination)}: mend or remove them, or leave out --strict"
        )
    if examination.unread:
        raise InputError(f"{unread(examination.unread)}, of data {source}: take them out, or leave out --strict")


def name_of(sample: Sample) -> str:
    """The name inside the data, which is the same wherever the data lies."""
    return sample.name or sample.image.name


def _only(dataset: Dataset, names: Collection[str]) -> Dataset:
    kept = {
        split: tuple(sample for sample in part if name_of(sample) in names) for split, part in dataset.splits.items()
    }
    return replace(dataset, splits={split: part for split, part in kept.items() if part})


def _imbalance(counts: dict[str, dict[str, int]]) -> float | None:
    decisive = counts.get("train") or next(iter(counts.values()), None)
    if not decisive or not min(decisive.values()):
        return None
    return round(max(decisive.values()) / min(decisive.values()), 2)


def _sides(looks: Looks) -> dict[str, Any]:
    if not len(looks.kept):
        return {}
    grey = int(looks.grey.sum())
    return {
        name: {"min": int(side.min()), "median": int(np.median(side)), "max": int(side.max())}
        for name, side in (("shorter", looks.sides.min(axis=1)), ("longer", looks.sides.max(axis=1)))
    } | {"grey": grey, "colour": len(looks.kept) - grey}


def _duplicate(group: Group, seen: Sequence[Sample], splits: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    return {
        "images": [name_of(seen[place]) for place in group.members],
        "near": group.near,
        "across_splits": len({splits[place] for place in group.members}) > 1,
        "labels": ["|".join(classes[label] for label in seen[place].labels) for place in group.members],
    }

"""What a run was made from: names, sizes and labels of its images, so that a change of the data is noticed and said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.names import composed
from pocketvision.data.splits import saved_splits
from pocketvision.data.stratify import key
from pocketvision.errors import InputError
from pocketvision.units import counted

RECORD, SPLITS = "state/data.json", "splits.json"  # in a run folder
SKETCHED = 64  # images of the train split that a network remembers

Record = Mapping[str, Any]  # name -> [bytes of the file, names of its classes]


def record(dataset: Dataset) -> Record:
    """The same for the same images, in a folder, an archive or under another path; -1 bytes for what is gone."""
    return {
        key(sample): [_bytes(sample), "|".join(composed(dataset.classes[label]) for label in sample.labels)]
        for part in dataset.splits.values()
        for sample in part
    }


@dataclass(frozen=True)
class Change:
    """Names of images that are new, gone, labelled anew, or other files under the same name."""

    came: list[str]
    gone: list[str]
    relabelled: list[str]
    replaced: list[str]

    def __bool__(self) -> bool:
        return bool(self.came or self.gone or self.relabelled or self.replaced)

    def described(self) -> str:
        """`83 images came (first: a/9.jpg), 1 image is gone (first: a/1.jpg)`."""
        said = (
            (self.came, "image came", "images came"),
            (self.gone, "image is gone", "images are gone"),
            (self.relabelled, "image is labelled anew", "images are labelled anew"),
            (self.replaced, "image is another file", "images are other files"),
        )
        return ", ".join(f"{counted(len(names), one, many)} (first: {names[0]})" for names, one, many in said if names)


def compare(before: Record, now: Record) -> Change:
    """What has become of the images of `before`."""
    both = [name for name in before if name in now]
    return Change(
        [name for name in now if name not in before],
        [name for name in before if name not in now],
        [name for name in both if before[name][1] != now[name][1]],
        [name for name in both if before[name][0] != now[name][0]],
    )


def changed_since(run: Path, dataset: Dataset) -> Change | None:
    """What has become of the data of the run in the folder `run`; None where `dataset` is not mostly those."""
    before, now = _read(run / RECORD), record(dataset)
    same = sum(name in now and now[name][0] == size for name, (size, _) in before.items())
    return compare(before, now) if 2 * same > len(before) else None


def trained_on(run: Path, dataset: Dataset) -> set[str]:
    """Names of the images in `dataset` that the network in the run folder `run` was trained on; of its folds too."""
    fold = run.name if run.name.startswith("fold-") and not (run / SPLITS).is_file() else ""
    home = run.parent if fold else run
    if not (home / SPLITS).is_file():
        return set()
    splits = saved_splits(home / SPLITS)
    names = {composed(name) for split, part in splits.items() if split not in ("val", "test", fold) for name in part}
    before = _read(home / RECORD)
    return {
        key(sample)
        for part in dataset.splits.values()
        for sample in part
        if composed(key(sample)) in names and (not before or before.get(key(sample), [None])[0] == _bytes(sample))
    }


def provenance_of(dataset: Dataset) -> dict[str, Any]:
    """What a network that was trained on the train split keeps of it: the name, and a sketch."""
    return {"data": dataset.name, "trained_on": sketch(dataset)}


def sketch(dataset: Dataset) -> list[str]:
    """Fingerprints of up to SKETCHED training images, the smallest ones: a fair choice that needs no list of all."""
    return sorted(set(_fingerprints(dataset.splits.get("train", ()), dataset.classes)))[:SKETCHED]


def share_of_sketch(known: Sequence[str], samples: Sequence[Sample], classes: Sequence[str]) -> float:
    """About which share of the images that a network was trained on is among `samples`."""
    return len(set(known).intersection(_fingerprints(samples, classes))) / max(1, len(known))


def _fingerprints(samples: Sequence[Sample], classes: Sequence[str]) -> Iterator[str]:
    """By class, file name and size: the same wherever the image lies."""
    for sample in samples:
        labels = "|".join(composed(classes[label]) for label in sample.labels)
        text = f"{labels}/{composed(PurePosixPath(key(sample)).name)}/{_bytes(sample)}"
        yield hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=6).hexdigest()


def _bytes(sample: Sample) -> int:
    try:
        return sample.image.bytes_in_all()
    except InputError:
        return -1


def _read(path: Path) -> Record:
    try:
        content: Record = json.loads(path.read_text())
    except (OSError, ValueError):  # a run of an earlier release, or damaged: the names have to do
        return {}
    return content

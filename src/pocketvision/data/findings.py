"""What an examination means, in sentences: errors, warnings and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pocketvision.data.dataset import Dataset
from pocketvision.data.formats import is_picture, kinds, remedy
from pocketvision.data.names import alike
from pocketvision.units import counted, some

if TYPE_CHECKING:
    from pocketvision.data.doctor import Examination

SEVERITIES = ("error", "warning", "note")
FEW = 20  # training images of a class, below which little can be learnt
UNEVEN, VERY_UNEVEN = 3, 10  # images of the largest class for one of the smallest

Finding = tuple[str, str]


def find(seen: Examination, dataset: Dataset) -> list[dict[str, str]]:
    """[{"severity": ..., "text": ...}], errors first. Names in the texts can be printed anywhere."""
    split_of = {sample.name or sample.image.name: name for name, part in dataset.splits.items() for sample in part}
    found = [
        *_splits(seen, dataset),
        *_classes(seen),
        *_unreadable(seen),
        *_unread(seen),
        *dataset.notes,
        *_leaks(seen, split_of),
        *_contradictions(seen),
        *_repeated(seen),
        *_labels(seen),
        *_pictures(seen),
    ]
    found.sort(key=lambda finding: SEVERITIES.index(finding[0]))
    return [{"severity": severity, "text": printable(text)} for severity, text in found]


def unreadable(seen: Examination, most: int = 3) -> str:
    """`train/ants/1.jpg: image file is truncated; train/ants/2.jpg: ...; 7 more`."""
    named = "; ".join(f"{entry['image']}: {entry['reason']}" for entry in seen.unreadable[:most])
    more = len(seen.unreadable) - most
    return printable(named + (f"; {more:,} more" if more > 0 else ""))


def unread(names: Sequence[str], most: int = 2) -> str:
    """`3 files in class folders are not read: 2 .heic, 1 .txt (a/1.heic, ...); for .heic pip install pillow-heif`."""
    counted_files = counted(len(names), "file in a class folder is", "files in class folders are")
    advice = remedy(names)
    return printable(f"{counted_files} not read: {kinds(names)} ({some(names, most)}){advice and f'; {advice}'}")


def printable(text: str) -> str:
    """One line, without signs that a terminal would obey: file names may hold anything."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))


def _splits(seen: Examination, dataset: Dataset) -> Iterator[Finding]:
    for split, part in dataset.splits.items():
        if split not in seen.splits:
            severity = "error" if split == "train" else "warning"
            yield severity, f"none of the {counted(len(part), 'image', 'images')} of {split} can be read"


def _classes(seen: Examination) -> Iterator[Finding]:
    train = seen.splits.get("train", {})
    for split, counts in seen.splits.items():
        missing = [name for name, images in counts.items() if not images]
        if missing and split == "train":
            yield "error", f"train has no readable image of {some(missing)}: add images, or leave the class out"
        elif missing:
            yield "warning", f"{split} has no image of {some(missing)}: its accuracy says nothing about that"
    for names in alike(seen.classes):
        yield (
            "warning",
            f"the classes {' and '.join(map(repr, names))} are named alike: give them one name if they are one",
        )
    few = [f"{name} ({images})" for name, images in train.items() if 0 < images < FEW]
    if few:
        yield "warning", f"fewer than {FEW} images to train on of {some(few)}: add images"
    if seen.imbalance and seen.imbalance >= UNEVEN and train:
        most, least = max(train, key=lambda name: train[name]), min(train, key=lambda name: train[name])
        ratio = f"{seen.imbalance:.1f}" if seen.imbalance < 10 else f"{seen.imbalance:,.0f}"
        severity = "warning" if seen.imbalance >= VERY_UNEVEN else "note"
        yield severity, f"{most} has {ratio} times as many training images as {least}"


def _unreadable(seen: Examination) -> Iterator[Finding]:
    if seen.unreadable:
        of = f"{len(seen.unreadable):,} of {counted(seen.images, 'image', 'images')}"
        yield "warning", f"{of} cannot be read, and training leaves them out: {unreadable(seen)}"


def _unread(seen: Examination) -> Iterator[Finding]:
    if seen.unread:
        yield "warning" if any(map(is_picture, seen.unread)) else "note", unread(seen.unread)


def _leaks(seen: Examination, split_of: dict[str, str]) -> Iterator[Finding]:
    """Held-out images whose picture is also in train; test images whose picture is also in val."""
    for near, severity, how in ((False, "error", "also among the"), (True, "warning", "nearly the same as")):
        for held_out, other in (("test", "train"), ("val", "train"), ("test", "val")):
            pairs = []
            for group in seen.duplicates:
                inside = [name for name in group["images"] if split_of[name] == other]
                outside = [name for name in group["images"] if split_of[name] == held_out]
                if group["near"] == near and inside:
                    pairs += [f"{name} = {inside[0]}" for name in outside]
            if pairs:
                images = counted(len(pairs), f"image of {held_out} is", f"images of {held_out} are")
                text = f"{images} {how} images of {other} ({some(pairs)}): the accuracy on {held_out}"
                yield severity, f"{text} will look better than it is; keep each picture in one split"


def _contradictions(seen: Examination) -> Iterator[Finding]:
    for near, severity, what in ((False, "error", "picture has"), (True, "warning", "nearly equal pictures have")):
        pairs = []
        for group in seen.duplicates:
            if group["near"] == near and len(set(group["labels"])) > 1:
                first = group["labels"][0]
                other = next(index for index, label in enumerate(group["labels"]) if label != first)
                pairs.append(f"{group['images'][0]} is {first}, {group['images'][other]} is {group['labels'][other]}")
        if pairs:
            yield severity, f"the same {what} different labels, {_times(pairs)} ({some(pairs)}): decide which is right"


def _repeated(seen: Examination) -> Iterator[Finding]:
    """Copies inside a split: of training images only a waste, and a weight."""
    for near, one, many in (
        (False, "image is a copy of another", "images are copies of others"),
        (True, "image is nearly the same as another", "images are nearly the same as others"),
    ):
        groups = [g["images"] for g in seen.duplicates if g["near"] == near and not g["across_splits"]]
        if groups:
            extra = sum(len(images) - 1 for images in groups)
            pairs = [f"{images[1]} = {images[0]}" for images in groups]
            yield "note", f"{counted(extra, one, many)} in the same split ({some(pairs)})"


def _labels(seen: Examination) -> Iterator[Finding]:
    looked: dict[str, Any] = seen.looked
    if seen.suspicious:
        named = [f"{s['image']} is {s['label']}, looks like {s['neighbours_say']}" for s in seen.suspicious]
        yield (
            "warning",
            f"{counted(len(named), 'label looks', 'labels look')} wrong ({some(named)}): check "
            f"{'it' if len(named) == 1 else 'them'}",
        )
    if looked["classes_not_judged"]:
        names, by = some(looked["classes_not_judged"]), looked["labels_judged_by"]
        yield "note", f"the labels of {names} were not judged: {by} do not tell these images from others"
    readable = seen.images - len(seen.unreadable)
    if looked["labels_judged_among"] < readable:
        yield "note", f"labels were judged among {looked['labels_judged_among']:,} of {readable:,} images"
    exact = sum(len(group["images"]) - 1 for group in seen.duplicates if not group["near"])
    if looked["near_duplicates_among"] < readable - exact:
        yield "note", f"near duplicates were sought among {looked['near_duplicates_among']:,} of {readable:,} images"


def _pictures(seen: Examination) -> Iterator[Finding]:
    grey, colour = seen.sides.get("grey", 0), seen.sides.get("colour", 0)
    if grey and colour:
        yield "note", f"{counted(grey, 'image is', 'images are')} grey, {colour:,} in colour"


def _times(pairs: Sequence[str]) -> str:
    return "once" if len(pairs) == 1 else f"{len(pairs):,} times"

"""The class map: which names there are, in which order, and that nobody strays from them."""

import difflib
import re
from collections.abc import Iterable, Sequence

from pocketvision.data.dataset import Sample, counted
from pocketvision.data.layout import Layout
from pocketvision.data.table import Labelled
from pocketvision.errors import InputError


def natural(name: str) -> tuple[list[str | int], str]:
    """Sort key that orders numbers by value: `2` before `10`, `class9` before `class10`."""
    parts = re.split(r"([0-9]+)", name.casefold())  # text and numbers in turn, so equal places compare
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def lock(layout: Layout, classes: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """The classes of the data: those given, else the names of the train split (of all splits without one), sorted.

    Raises InputError when a class folder of the train split is empty: was something forgotten?
    """
    if classes:
        return tuple(classes)
    if layout.empty:
        raise InputError(
            f"{where} has no images in class folder {layout.empty[0]}: add images or remove the folder"
            + (f" ({len(layout.empty)} class folders are empty)" if len(layout.empty) > 1 else "")
        )
    decisive = {"train": layout.splits["train"]} if "train" in layout.splits else layout.splits
    return tuple(sorted({name for items in decisive.values() for item in items for name in item.labels}, key=natural))


def to_samples(layout: Layout, classes: tuple[str, ...], given: bool, where: str) -> dict[str, tuple[Sample, ...]]:
    """Replace class names by indices. Raises InputError for a class that is not among `classes`.

    In a table the labels may also be indices into the classes that were given, if they are not their names.
    """
    labels = {name: index for index, name in enumerate(classes)}
    if given and layout.table:
        labels |= _indices((item for items in layout.splits.values() for item in items), labels, len(classes))
    result = {}
    for split, items in layout.splits.items():
        for item in items:
            for name in item.labels:
                if name not in labels:
                    raise _unknown(name, item, split, items, classes, given, where)
        result[split] = tuple(_sample(item, labels) for item in items)
    return result


def _sample(item: Labelled, labels: dict[str, int]) -> Sample:
    if item.label:
        return Sample(item.image, labels[item.label], item.name, item.group)
    return Sample(item.image, -1, item.name, item.group, tuple(sorted({labels[name] for name in item.several})))


def _indices(items: Iterable[Labelled], names: dict[str, int], count: int) -> dict[str, int]:
    """Labels read as indices: all of them or none, so that one table is never read in two ways."""
    found = {name for item in items for name in item.labels}
    if found <= names.keys() or not all(re.fullmatch("[0-9]+", label) for label in found):
        return {}
    return {label: int(label) for label in found if int(label) < count}


def _unknown(
    name: str,
    item: Labelled,
    split: str,
    items: Sequence[Labelled],
    classes: Sequence[str],
    given: bool,
    where: str,
) -> InputError:
    images = counted(sum(name in other.labels for other in items), "image", "images")
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    known = f"the {counted(len(classes), 'class', 'classes')} {'of the model' if given else 'of train'} ({shown})"
    near = difflib.get_close_matches(name, classes, n=1)
    advice = f"did you mean {near[0]}?" if near else "rename it, or leave it out"
    return InputError(f"{where}: class {name} of {split} ({images}, first: {item.name}) is not among {known}: {advice}")

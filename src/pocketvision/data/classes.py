"""The class map: which names there are, in which order, and that nobody strays from them."""

import difflib
import re
from collections.abc import Mapping, Sequence

from pocketvision.data.dataset import Sample
from pocketvision.data.formats import kinds, remedy
from pocketvision.data.layout import Layout
from pocketvision.data.names import composed
from pocketvision.data.table import Labelled
from pocketvision.errors import InputError
from pocketvision.units import counted, some

NUMBER = re.compile("[0-9]+")


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
        first = layout.empty[0]
        inside = [name for name in layout.unread if name.startswith(f"{first}/")]
        others = f" ({len(layout.empty)} class folders are empty)" if len(layout.empty) > 1 else ""
        found = f" (found: {kinds(inside)})" if inside else ""
        advice = remedy(inside) or "add images or remove the folder"
        raise InputError(f"{where} has no images in class folder {first}{found}: {advice}{others}")
    for name in {name for items in layout.splits.values() for item in items for name in item.labels}:
        if not name.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in name):
            readable = name.encode(errors="surrogateescape").decode("latin-1")
            raise InputError(
                f"{where}: the name of class {readable} is not in UTF-8: rename it, or pack the archive anew"
            )
    decisive = {"train": layout.splits["train"]} if "train" in layout.splits else layout.splits
    return tuple(sorted({name for items in decisive.values() for item in items for name in item.labels}, key=natural))


Notes = tuple[tuple[str, str], ...]


def to_samples(
    layout: Layout, classes: tuple[str, ...], given: bool, where: str
) -> tuple[dict[str, tuple[Sample, ...]], Notes]:
    """Replace class names by indices; and what was guessed in doing so, as a Dataset's `notes`.

    In a table the labels may also be indices into the classes that were given, counted from 0: when all are numbers and
    no class is called by a number. Raises InputError for a class that is not among `classes`.
    """
    labels = {composed(name): index for index, name in enumerate(classes)}
    if len(labels) < len(classes):
        twice = next(name for index, name in enumerate(classes) if labels[composed(name)] != index)
        raise InputError(f"{where}: class {twice} is among the classes of the model twice: train it again")
    notes: Notes = ()
    if given and layout.table:
        found = {name for items in layout.splits.values() for item in items for name in item.labels}
        if found and not any(map(NUMBER.fullmatch, classes)) and all(map(NUMBER.fullmatch, found)):
            labels = {name: int(name) for name in found if int(name) < len(classes)}
            notes = (("warning", f"labels were read as indices, from 0: {_meant(labels, classes)}"),)
    result = {}
    for split, items in layout.splits.items():
        for item in items:
            for name in item.labels:
                if name not in labels:
                    raise _unknown(name, item, split, items, classes, given, layout.table, where)
        result[split] = tuple(_sample(item, labels) for item in items)
    return result, notes


def _meant(labels: Mapping[str, int], classes: Sequence[str]) -> str:
    """`1 = dog, 2 = owl`."""
    return some([f"{name} = {classes[labels[name]]}" for name in sorted(labels, key=natural)], 5)


def _sample(item: Labelled, labels: dict[str, int]) -> Sample:
    if item.label:
        return Sample(item.image, labels[item.label], item.name, item.group)
    return Sample(item.image, -1, item.name, item.group, tuple(sorted({labels[name] for name in item.several})))


def _unknown(
    name: str,
    item: Labelled,
    split: str,
    items: Sequence[Labelled],
    classes: Sequence[str],
    given: bool,
    table: bool,
    where: str,
) -> InputError:
    images = counted(sum(name in other.labels for other in items), "image", "images")
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    known = f"the {counted(len(classes), 'class', 'classes')} {'of the model' if given else 'of train'} ({shown})"
    near = difflib.get_close_matches(name, classes, n=1)
    advice = f"did you mean {near[0]}?" if near else "rename it, or leave it out"
    if given and NUMBER.fullmatch(name) and not table and not near:
        advice = "indices are for tables, call the folder by the name of a class"
    elif given and NUMBER.fullmatch(name):
        advice = _no_index({other.labels[0] for other in items if other.labels}, classes, advice)
    return InputError(f"{where}: class {name} of {split} ({images}, first: {item.name}) is not among {known}: {advice}")


def _no_index(labels: set[str], classes: Sequence[str], otherwise: str) -> str:
    """Why numbers among `labels` are no indices of `classes`, and what to do."""
    if not labels.isdisjoint(map(composed, classes)):
        return "other labels are names of classes, so that this is no index: write names, or indices alone"
    if any(map(NUMBER.fullmatch, classes)):
        return "the classes are called by numbers, so that this is no index: write their names"
    if all(map(NUMBER.fullmatch, labels)):
        return (
            f"as indices labels count from 0 ({classes[0]}) to {len(classes) - 1} ({classes[-1]}): write those or names"
        )
    return otherwise

"""Recognises how labelled images are laid out in a tree: split folders, else a labels.csv, else plain class folders."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pocketvision.data.dataset import Task, counted
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.table import Labelled, read_table
from pocketvision.data.tree import Tree
from pocketvision.errors import InputError

TABLE = "labels.csv"
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # folder -> split
IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm .jp2 .avif".split()
)
ARRANGE = "arrange them as <class>/<image> or train/<class>/<image>, or add a labels.csv with the columns path,label"


@dataclass(frozen=True)
class Layout:
    """Images with the names of their classes, by split."""

    splits: dict[str, list[Labelled]]  # "train", "val", "test": those that hold images
    table: bool = False  # the labels come from a table: they may be indices
    task: Task = "classify"
    empty: tuple[str, ...] = ()  # class folders to train from that hold no image


def recognise(tree: Tree, classes: Sequence[str] | None, where: str, task: Task | None = None) -> Layout:
    """The layout of `tree`; a single top folder is stepped into, unless it is one of `classes`.

    Raises InputError when there are no images, or none with a class.
    """
    if not any(is_image(name) or PurePosixPath(name).name == TABLE for name in tree.files):
        raise InputError(_no_images(tree, where))
    tree = _step_into(tree, classes or ())
    if folders := split_folders(tree):
        return _from_splits(tree, folders, where)
    if TABLE in tree.files:
        return from_table(read_table(tree.files[TABLE], f"{where}: {TABLE}", tree, task), f"{where}: {TABLE}")
    return _from_class_folders(tree, where)


def from_table(items: Sequence[Labelled], where: str) -> Layout:
    """The rows of a table by their split column; without one all are "train". Raises InputError for a split group."""
    splits: dict[str, list[Labelled]] = {}
    homes: dict[str, str] = {}
    for item in items:
        split = SPLITS.get(item.split.lower()) if item.split else "train"
        if split is None:
            raise InputError(f"{where}: split {item.split} of {item.name} is none: write train, val or test")
        if item.group and homes.setdefault(item.group, split) != split:
            raise InputError(
                f"{where} has images of group {item.group} in {homes[item.group]} and in {split}: keep a group in one "
                "split, or leave the column group out"
            )
        splits.setdefault(split, []).append(item)
    several = any(not item.label for item in items)
    return Layout(_in_order(splits), table=True, task="multilabel" if several else "classify")


def is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def split_folders(tree: Tree) -> dict[str, str]:
    """Top folder -> split, for folders named like a split. Empty unless one of them holds class folders with images.

    So a class that is called `train`, next to `bus` and `car`, stays a class.
    """
    named = {folder: SPLITS[folder.lower()] for folder in _top(tree) if folder.lower() in SPLITS}
    return named if any(class_images(tree.below(folder))[0] for folder in named) else {}


def class_images(tree: Tree) -> tuple[dict[str, list[tuple[str, ImageFile]]], tuple[str, ...]]:
    """Images (name, place) by the top folder they lie below, at any depth; and the top folders without any."""
    images: dict[str, list[tuple[str, ImageFile]]] = {}
    for name, file in tree.files.items():
        folder, below, _ = name.partition("/")
        if below and is_image(name):
            images.setdefault(folder, []).append((name, file))
    return images, tuple(folder for folder in _top(tree) if folder not in images)


def _top(tree: Tree) -> list[str]:
    return sorted(folder for folder in tree.folders if "/" not in folder)


def _step_into(tree: Tree, classes: Sequence[str]) -> Tree:
    while True:
        top = _top(tree)
        lone = len(top) == 1 and top[0] not in classes and TABLE not in tree.files and not split_folders(tree)
        if not lone or any(is_image(name) for name in tree.files if "/" not in name):
            return tree
        inner = tree.below(top[0])
        if TABLE not in inner.files and not class_images(inner)[0]:
            return tree
        tree = inner


def _from_splits(tree: Tree, folders: dict[str, str], where: str) -> Layout:
    splits: dict[str, list[Labelled]] = {}
    empty: tuple[str, ...] = ()
    came_from: dict[str, str] = {}
    for folder, split in folders.items():
        inner = tree.below(folder)
        images, without = class_images(inner)
        if not images:
            loose = sum(map(is_image, inner.files))
            if loose or split == "train":
                raise InputError(
                    f"{where}: {folder} holds {counted(loose, 'image', 'images')} and no class folders: "
                    f"move them to {folder}/<class>/, or take the folder away"
                )
            continue  # an empty val or test folder is as good as none
        if split in came_from:
            raise InputError(f"{where} has both {came_from[split]} and {folder}, which mean the same: merge them")
        came_from[split] = folder
        splits[split] = [
            Labelled(f"{folder}/{name}", file, label) for label, found in images.items() for name, file in found
        ]
        if split == "train":
            empty = tuple(f"{folder}/{name}" for name in without)
    return Layout(_in_order(splits), empty=empty)


def _in_order(splits: dict[str, list[Labelled]]) -> dict[str, list[Labelled]]:
    return {split: splits[split] for split in ("train", "val", "test") if split in splits}


def _from_class_folders(tree: Tree, where: str) -> Layout:
    images, empty = class_images(tree)
    if not images:
        loose = counted(sum(map(is_image, tree.files)), "image", "images")
        raise InputError(f"{where} holds {loose} but no class folders: {ARRANGE}")
    return Layout(
        {"train": [Labelled(name, file, label) for label, found in images.items() for name, file in found]}, empty=empty
    )


def _no_images(tree: Tree, where: str) -> str:
    if not tree.files:
        return f"{where} is empty: put images into it, one folder per class"
    kinds = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in tree.files)
    found = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(3))
    return f"{where} holds no images (found: {found}): give JPEG, PNG, WebP, BMP, GIF, TIFF or PNM files"

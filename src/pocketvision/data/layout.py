"""Recognises how labelled images are laid out in a tree: split folders, else a labels.csv, else plain class folders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pocketvision.data.classfolders import class_folders, split_folders, top_folders
from pocketvision.data.dataset import Task
from pocketvision.data.formats import is_image, kinds, remedy
from pocketvision.data.leftout import left_out
from pocketvision.data.names import SPLITS, composed, split_of
from pocketvision.data.othertasks import other_task
from pocketvision.data.table import Labelled, read_table
from pocketvision.data.tree import Tree
from pocketvision.errors import InputError
from pocketvision.units import counted

TABLE = "labels.csv"
ARRANGE = "arrange them as <class>/<image> or train/<class>/<image>, or add a labels.csv with the columns path,label"


@dataclass(frozen=True)
class Layout:
    """Images with the names of their classes, by split."""

    splits: dict[str, list[Labelled]]  # "train", "val", "test": those that hold images
    table: bool = False  # the labels come from a table: they may be indices
    task: Task = "classify"
    empty: tuple[str, ...] = ()  # class folders to train from that hold no image
    unread: tuple[str, ...] = ()  # names of all other files in class folders
    notes: tuple[tuple[str, str], ...] = ()  # as a Dataset has them


def recognise(tree: Tree, classes: Sequence[str] | None, where: str, task: Task | None = None) -> Layout:
    """The layout of `tree`; a single top folder is stepped into, unless it is one of `classes`.

    Raises InputError when there are no images, or none with a class.
    """
    if not any(is_image(name, file) or PurePosixPath(name).name.lower() == TABLE for name, file in tree.files.items()):
        raise InputError(_no_images(tree, where))
    known = tuple(map(composed, classes or ()))
    layout = _recognise(_step_into(tree, known), known, where, task)
    taken = {item.image for items in layout.splits.values() for item in items}
    return replace(layout, notes=(*layout.notes, *left_out(tree, taken, layout.table)))


def _recognise(tree: Tree, classes: Sequence[str], where: str, task: Task | None) -> Layout:
    what, table = other_task(tree.files), table_in(tree)
    if what and not table:
        raise InputError(
            f"{where} holds {what}: learning from masks or boxes is not there yet, only which class an image shows, or "
            f"which classes: {ARRANGE}"
        )
    if not what and (folders := split_folders(tree)):
        return _from_splits(tree, folders, where)
    if table:
        return from_table(read_table(tree.files[table], f"{where}: {table}", tree, task), f"{where}: {table}")
    return _from_class_folders(tree, classes, where)


def table_in(tree: Tree) -> str | None:
    """The name of the table at the top of a tree, in whatever capitals it has."""
    return next((name for name in sorted(tree.files, reverse=True) if name.lower() == TABLE), None)


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


def _step_into(tree: Tree, classes: Sequence[str]) -> Tree:
    while True:
        top = top_folders(tree)
        lone = len(top) == 1 and composed(top[0]) not in classes and not table_in(tree) and not split_folders(tree)
        if not lone or any(is_image(name, file) for name, file in tree.files.items() if "/" not in name):
            return tree
        inner = tree.below(top[0])
        if not table_in(inner) and not class_folders(inner).images:
            return tree
        tree = inner


def _from_splits(tree: Tree, folders: dict[str, str], where: str) -> Layout:
    splits: dict[str, list[Labelled]] = {}
    empty: list[str] = []
    unread: list[str] = []
    came_from: dict[str, str] = {}
    notes: tuple[tuple[str, str], ...] = ()
    classes = {name for folder in folders for name in class_folders(tree.below(folder)).images}
    for folder in sorted(set(top_folders(tree)) - set(folders)):
        held = class_folders(tree.below(folder)).images
        if classes & held.keys():
            beside = sum(map(len, held.values()))
            raise InputError(
                f"{where}: {folder} holds {counted(beside, 'image')} beside {', '.join(folders)}, and is no split: "
                "call it train, val or test, or take it away"
            )
    for folder, split in folders.items():
        inner = tree.below(folder)
        found = class_folders(inner)
        if not found.images:
            loose = sum(is_image(name, file) for name, file in inner.files.items())
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
            Labelled(f"{folder}/{name}", file, label) for label, images in found.images.items() for name, file in images
        ]
        unread += [f"{folder}/{name}" for name in found.unread]
        if split == "train":
            empty = [f"{folder}/{name}" for name in found.empty]
            notes = found.nested
    return Layout(_in_order(splits), empty=tuple(empty), unread=tuple(unread), notes=notes)


def _in_order(splits: dict[str, list[Labelled]]) -> dict[str, list[Labelled]]:
    return {split: splits[split] for split in ("train", "val", "test") if split in splits}


def _from_class_folders(tree: Tree, classes: Sequence[str], where: str) -> Layout:
    found = class_folders(tree)
    if not found.images:
        loose = counted(sum(is_image(name, file) for name, file in tree.files.items()), "image", "images")
        raise InputError(f"{where} holds {loose} but no class folders: {ARRANGE}")
    if all(map(split_of, found.images)) and not found.images.keys() <= set(classes):
        tables = sorted(name for name in tree.files if name.lower().endswith(".csv"))
        hint = f"; or give {tables[0]} as the data, if it says the classes" if tables else ""
        names = sorted(found.images, key=lambda name: split_of(name) != "train")
        raise InputError(
            f"{where}: {', '.join(names)} must be splits by name, but hold no class folders: move the images to "
            f"{names[0]}/<class>/{hint}"
        )
    inside = [{name.split("/")[1] for name, _ in images if name.count("/") > 1} for images in found.images.values()]
    if len(inside) > 1 and len(inside[0]) > 1 and all(each == inside[0] for each in inside):
        raise InputError(
            f"{where}: {', '.join(sorted(found.images))} each hold the same folders ({', '.join(sorted(inside[0]))}): "
            "if these are the classes, call the folders above them train, val and test, or merge them"
        )
    items = [Labelled(name, file, label) for label, images in found.images.items() for name, file in images]
    return Layout({"train": items}, empty=tuple(found.empty), unread=tuple(found.unread), notes=found.nested)


def _no_images(tree: Tree, where: str) -> str:
    if not tree.files:
        return f"{where} is empty: put images into it, one folder per class"
    advice = remedy(list(tree.files)) or "give JPEG, PNG, WebP, BMP, GIF, TIFF or PNM files"
    return f"{where} holds no images (found: {kinds(list(tree.files))}): {advice}"

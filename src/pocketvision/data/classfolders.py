"""The top folders of a tree as classes or splits, and those among them that are neither."""

from dataclasses import dataclass, field

from pocketvision.data.formats import is_image
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.leftovers import PROGRAMS
from pocketvision.data.names import composed, split_of
from pocketvision.data.tree import Tree
from pocketvision.units import some


@dataclass
class ClassFolders:
    """What lies below the top folders of a tree, at any depth. A class in two Unicode forms is one."""

    images: dict[str, list[tuple[str, ImageFile]]] = field(default_factory=dict)  # class -> (name, place)
    unread: list[str] = field(default_factory=list)  # names of files that are no images we read
    empty: list[str] = field(default_factory=list)  # top folders without images

    @property
    def nested(self) -> tuple[tuple[str, str], ...]:
        """What to say (severity, sentence) where a class has several folders of images inside, which may be classes.

        They may also be subjects or days: a warning only where several classes have a folder of the same name.
        """
        inside = {
            name: sorted({file.split("/")[1] for file, _ in images if file.count("/") > 1})
            for name, images in self.images.items()
        }
        if not any(len(folders) > 1 for folders in inside.values()):
            return ()
        names = [folder for folders in inside.values() for folder in folders]
        severity = "note" if len(names) == len(set(names)) else "warning"
        said = some([f"{name} ({some(folders)})" for name, folders in inside.items() if folders])
        return ((severity, f"folders inside a class folder belong to that class: {said}: move up what is a class"),)


def top_folders(tree: Tree) -> list[str]:
    """Those that could be classes or splits."""
    programs = program_folders(tree)
    return sorted(folder for folder in tree.folders if "/" not in folder and folder not in programs)


def program_folders(tree: Tree) -> set[str]:
    """Top folders that programs make, by their names and because no image lies in them directly."""
    named = {folder for folder in tree.folders if "/" not in folder and folder.casefold() in PROGRAMS}
    if named:
        for name, file in tree.files.items():
            folder, _, below = name.partition("/")
            if folder in named and "/" not in below and is_image(name, file):
                named.discard(folder)
    return named


def split_folders(tree: Tree) -> dict[str, str]:
    """Top folder -> split, for folders named like a split. Empty unless one of them holds class folders with images.

    So a class that is called `train`, next to `bus` and `car`, stays a class.
    """
    named = {folder: split for folder in top_folders(tree) if (split := split_of(folder))}
    return named if any(class_folders(tree.below(folder)).images for folder in named) else {}


def class_folders(tree: Tree) -> ClassFolders:
    """The files of a tree by the top folder they lie below."""
    found = ClassFolders()
    programs = program_folders(tree)
    taken = {name for name in tree.files if name == composed(name)}  # two folders that are one class: both have 1.png
    for shown, name in sorted((composed(name), name) for name in tree.files):
        folder, below, _ = name.partition("/")
        file = tree.files[name]
        if not below or folder in programs:
            continue
        if is_image(name, file):
            shown = name if shown in taken else shown
            taken.add(shown)
            found.images.setdefault(composed(folder), []).append((shown, file))
        else:
            found.unread.append(name)
    found.empty = [folder for folder in top_folders(tree) if composed(folder) not in found.images]
    return found

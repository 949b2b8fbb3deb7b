"""What lies in a data set and is not learnt from, in sentences: nothing is passed over in silence."""

import os
import posixpath
from collections.abc import Collection, Iterator, Sequence

from pocketvision.data.formats import is_image
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.leftovers import PROGRAMS, inside
from pocketvision.data.tree import Tree
from pocketvision.units import counted, some


def left_out(tree: Tree, taken: Collection[ImageFile], table: bool) -> Iterator[tuple[str, str]]:
    """(severity, sentence) on folders and images of `tree` that are not among those `taken`, by a `table` or not."""
    if tree.aside:
        yield "note", f"passed over, hidden or left by a system or program: {some(sorted(tree.aside))}"
    used = [name for name, file in tree.files.items() if file in taken]
    others = tree.files.keys() - set(used)
    links = sorted(name for name in others if os.path.islink(tree.files[name].path))
    if lost := [name for name in links if not os.path.exists(tree.files[name].path)]:
        yield "warning", f"{counted(len(lost), 'link leads', 'links lead')} to nothing: {some(lost)}"
    unused = sorted(name for name in others if is_image(name, tree.files[name]))
    if table:
        if unused:
            yield "note", f"{counted(len(unused), 'image is', 'images are')} in no row of the table ({some(unused)})"
        return
    classes = {posixpath.dirname(name) for name in used}
    if tables := [n for n in sorted(others) if n.lower().endswith(".csv") and posixpath.dirname(n) not in classes]:
        severity = "warning" if any(posixpath.basename(name).lower() == "labels.csv" for name in tables) else "note"
        said = f"folders are the classes, not what is in {some(tables)}: give a table as the data where it says them"
        yield severity, said
    programs = _programs(tree, used)
    loose = [name for name in unused if not inside(name, programs)]
    if programs:
        severity, held = "note", "no image"
        if len(loose) < len(unused):
            severity, held = "warning", counted(len(unused) - len(loose), "image")
        named = some(sorted(programs))
        yield severity, f"passed over as folders of programs: {named}, with {held}: rename what is a class"
    if loose:
        lying = counted(len(loose), "image lies", "images lie")
        yield "warning", f"{lying} in no class folder and will not be used ({some(loose)}): move them into one"


def _programs(tree: Tree, used: Sequence[str]) -> set[str]:
    """The folders of programs of which no image is used."""
    named = {name for name in tree.folders if posixpath.basename(name).casefold() in PROGRAMS}
    for name in used if named else ():
        while name := posixpath.dirname(name):
            named.discard(name)
    return {name for name in named if not inside(posixpath.dirname(name), named)}

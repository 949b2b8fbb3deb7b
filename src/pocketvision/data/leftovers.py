"""What systems and programs leave between a person's files: never a class, never an image."""

import posixpath
import re
from collections.abc import Iterable

# In small letters. macOS, Windows, Synology, QNAP, NetApp, ext4's fsck, Picasa, Python; what begins with a dot is
# hidden anyway (.git, .thumbnails, .ipynb_checkpoints, .Trash-1000, ._name of AppleDouble).
NAMES = frozenset(
    (
        *("__macosx", "icon\r", "network trash folder", "temporary items", "thevolumesettingsfolder"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "lost+found"),
        *("@sharebin", "~snapshot", "picasa.ini", "__pycache__"),
    )
)
FOUND = re.compile(r"found\.\d{3}")  # Windows' chkdsk
# Folders that could be classes too, in small letters: they are, where an image lies in them and not only below.
PROGRAMS = frozenset("recycler recycled runs wandb mlruns lightning_logs node_modules thumbs thumbnails".split())
ENDINGS = ("@synoeastream", "@synoresource")  # Synology, beside the file itself
RUN = "state/settings.json"  # what every run folder has


def is_leftover(part: str) -> bool:
    """Is this one name, of a file or a folder, hidden or one that nobody made by hand?"""
    small = part.casefold()
    return part.startswith(".") or small in NAMES or small.endswith(ENDINGS) or bool(FOUND.fullmatch(small))


def leftover_folder(name: str, is_folder: bool) -> str | None:
    """The folder, `name` itself or one above it, that is a leftover; None where there is none."""
    parts = name.split("/")
    first = next((i for i, part in enumerate(parts) if is_leftover(part)), len(parts))
    return "/".join(parts[: first + 1]) if first < len(parts) - (not is_folder) else None


def run_folders(files: Iterable[str]) -> set[str]:
    """The folders in which runs of ours lie, among data: a person who works inside the folder of photographs has them.

    Folders that hold nothing besides runs are among them; the root itself never is.
    """
    names = list(files)
    runs = {name.removesuffix("/" + RUN) for name in names if name.endswith("/" + RUN)}
    if not runs:
        return runs
    others = [name for name in names if not inside(name, runs)]
    for run in list(runs):
        while (run := posixpath.dirname(run)) and not any(name.startswith(run + "/") for name in others):
            runs.add(run)
    return runs


def inside(name: str, folders: set[str]) -> bool:
    """Is `name` one of `folders` or below one?"""
    while name:
        if name in folders:
            return True
        name = posixpath.dirname(name)
    return False

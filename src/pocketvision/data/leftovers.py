"""What systems and programs leave between a person's files: never a class, never an image."""

import posixpath
from collections.abc import Iterable

# In small letters. macOS, Windows, Synology, QNAP, ext4's fsck, Picasa, Python; what begins with a dot is hidden anyway
# (.git, .thumbnails, .ipynb_checkpoints, ._name of AppleDouble).
NAMES = frozenset(
    (
        *("__macosx", "icon\r", "network trash folder", "temporary items", "thevolumesettingsfolder"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "lost+found", "found.000"),
        *("picasa.ini", "__pycache__"),
    )
)
ENDINGS = ("@synoeastream", "@synoresource")  # Synology, beside the file itself
RUN = "state/settings.json"  # what every run folder has


def is_leftover(part: str) -> bool:
    """Is this one name, of a file or a folder, hidden or one that nobody made by hand?"""
    small = part.casefold()
    return part.startswith(".") or small in NAMES or small.endswith(ENDINGS)


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

"""The listing of a folder, tar or zip as one flat dict of names: layouts are recognised in one way in all three."""

import os
import posixpath
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pocketvision.data.imagefile import OLD_ENCODING, ImageFile, one_line, open_zip
from pocketvision.data.leftovers import inside, is_leftover, leftover_folder, run_folders
from pocketvision.errors import InputError
from pocketvision.progress import say
from pocketvision.units import counted

BLOCK = 512  # bytes; a tar is made of such blocks


@dataclass(frozen=True)
class Tree:
    """Every file below `root` (a folder, .tar or .zip), hidden ones, system leftovers and runs of ours aside.

    In a folder that includes pipes and links to nothing: whoever reads them learns what they are.
    """

    root: Path
    files: dict[str, ImageFile]  # by posix name relative to the root, sorted
    folders: frozenset[str]  # posix names of all folders, empty ones too; the root itself is not among them
    aside: frozenset[str] = frozenset()  # posix names of the folders that are not in it, as hidden, leftovers or runs

    def below(self, folder: str) -> "Tree":
        """The tree seen from a folder inside it."""
        start = folder + "/"
        return Tree(
            self.root,
            {name[len(start) :]: file for name, file in self.files.items() if name.startswith(start)},
            frozenset(name[len(start) :] for name in self.folders if name.startswith(start)),
            frozenset(name[len(start) :] for name in self.aside if name.startswith(start)),
        )


def open_tree(path: Path) -> Tree:
    """List a folder, .tar or .zip without unpacking. Raises InputError when it cannot be read or is damaged."""
    try:
        if path.is_dir():
            files, folders, aside = list_folder(path)
        else:
            files, folders, aside = list_zip(path) if path.suffix.lower() == ".zip" else list_tar(path)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, tarfile.TarError, zipfile.BadZipFile) as error:
        if path.is_dir():
            raise _unreadable(path, error) from error
        kind = path.suffix.lower()
        raise InputError(
            f"cannot read {path}: not a {kind} archive, or damaged ({one_line(error)}); copy or download it again"
        ) from error
    for name in list(files) + sorted(folders):
        while name := posixpath.dirname(name):
            folders.add(name)
    runs = run_folders(files)
    kept = {name: file for name, file in sorted(files.items()) if not inside(name, runs)}
    aside |= {run for run in runs if posixpath.dirname(run) not in runs}
    return Tree(path, kept, frozenset(name for name in folders if not inside(name, runs)), frozenset(aside))


Listing = tuple[dict[str, ImageFile], set[str], set[str]]  # the fields of a Tree


def list_folder(root: Path) -> Listing:
    """Files and folders below `root`. Symbolic links are followed, but not round in circles.

    A folder that is deleted meanwhile is as good as never there.
    """
    files: dict[str, ImageFile] = {}
    folders: set[str] = set()
    aside: set[str] = set()

    def walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        try:
            with os.scandir(folder) as scan:
                entries = list(scan)
        except FileNotFoundError:
            if prefix:
                return
            raise
        for entry in entries:
            name = prefix + entry.name
            if is_leftover(entry.name):
                aside.update({name} if _is_folder(entry) else ())
            elif not _is_folder(entry):
                files[name] = ImageFile(Path(entry.path))
            else:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                here = (status.st_dev, status.st_ino)
                if here not in above:
                    folders.add(name)
                    walk(Path(entry.path), name + "/", above | {here})

    status = root.stat()
    walk(root, "", frozenset({(status.st_dev, status.st_ino)}))
    return files, folders, aside


def _unreadable(root: Path, error: Exception) -> InputError:
    """What to say of a folder in which something, perhaps a folder inside it, cannot be listed."""
    folder = getattr(error, "filename", None) or root
    advice = "check its permissions" if isinstance(error, PermissionError) else "was it moved or deleted?"
    return InputError(f"cannot read folder {folder}: {one_line(error)}; {advice}")


def list_tar(path: Path) -> Listing:
    """Files and folders of an uncompressed tar, each file as the stretch of bytes it occupies."""
    files: dict[str, ImageFile] = {}
    folders: set[str] = set()
    aside: set[str] = set()
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            name = _inside(member.name, member.isdir(), aside)
            if name is None:
                continue
            if member.isdir():
                folders.add(name)
            elif member.islnk():  # a second name of a file that came before it
                first = files.get(_normal(member.linkname))
                if first is not None:
                    files[name] = first
            elif member.isreg() and not member.issparse():
                files[name] = ImageFile(path, member.name, member.offset_data, member.size)
        _check_end(path, tar.offset)
    return files, folders, aside


def list_zip(path: Path) -> Listing:
    """Files and folders of a zip, each file by its member name."""
    files: dict[str, ImageFile] = {}
    folders: set[str] = set()
    aside: set[str] = set()
    archive, guessed = open_zip(path)
    with archive:
        if guessed:
            say(
                f"{path}: {counted(len(guessed), 'name is', 'names are')} not in UTF-8 and read as {OLD_ENCODING} "
                f"(first: {guessed[0]}): where that is wrong, unpack it and give the folder"
            )
        for member in archive.infolist():
            is_folder = member.is_dir() or member.filename.endswith("\\")
            name = _inside(member.filename.replace("\\", "/"), is_folder, aside)  # some Windows tools write backslashes
            if name is None or stat.S_ISLNK(member.external_attr >> 16):
                continue
            if is_folder:
                folders.add(name)
            elif member.flag_bits & 1:
                raise InputError(f"{path} is encrypted: unpack it with its password and give the folder")
            else:
                files[name] = ImageFile(path, member.filename)
    return files, folders, aside


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for instance
        return False


def _inside(name: str, is_folder: bool, aside: set[str]) -> str | None:
    """A member's name, normalised; None for the root, and for what is or lies in a leftover, whose folder is noted."""
    name = _normal(name)
    if name in ("", "."):
        return None
    if folder := leftover_folder(name, is_folder):
        aside.add(folder)
    return None if any(is_leftover(part) for part in name.split("/")) else name


def _normal(name: str) -> str:
    return posixpath.normpath(name).lstrip("/")


def _check_end(path: Path, end: int) -> None:
    """A tar ends with blocks of zeros. tarfile takes a damaged header or a cut for the end as well: we do not."""
    with open(path, "rb") as file:
        file.seek(end)
        block = file.read(BLOCK)
    if len(block) < BLOCK or block.strip(b"\0"):
        raise tarfile.ReadError(f"the listing breaks off at byte {end:,}")

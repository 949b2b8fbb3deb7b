"""Files whole: a killed run leaves either the old content or the new one; what cannot be read gives one sentence."""

import os
import re
import secrets
from pathlib import Path

from pocketvision.errors import InputError

LONGEST_PATH, LONGEST_NAME = 4096, 255  # characters, and bytes: Linux's bounds
TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{8}\.tmp")


def read_whole(path: str | Path) -> bytes:
    """The bytes of a file. InputError when it is not there or cannot be read."""
    path = Path(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}: check the path") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {_reason(error)}; check the path") from error


def require_path(path: str | Path) -> Path:
    """InputError when nothing is there, neither file nor folder."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}: check the path")
    return path


def split_called(path: str | Path) -> tuple[Path, str]:
    """Of "FILE@NAME" the file, and what it is called; "" where nothing is said, or where a file is so called."""
    path, called = Path(path), ""
    while "@" in path.name[1:] and not path.exists():
        name, _, last = path.name.rpartition("@")
        path, called = path.with_name(name), f"{last}@{called}" if called else last
    return path, called


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path`: a temporary file in the same folder, fsync, rename.

    Raises InputError when the folder does not exist, cannot be written or is full; `path` is then as it was before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        # Mode "x" never writes through another file, and gives ordinary permissions, unlike the tempfile module.
        with open(temporary, "xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}; choose another place, or make room there") from error
    finally:
        _remove(temporary)
    _sync_folder(path.parent)


def require_path_like(value: object, what: str) -> None:
    """InputError unless `value` is the text or the Path that names a place; `what` is what it should be of."""
    if not is_path(value):
        told = repr(value) if len(repr(value)) < 200 else f"{repr(value)[:60]}..."
        raise InputError(f"{told} ({type(value).__name__}) is no {what}: give its path or name as text")


def is_path(value: object) -> bool:
    """Is it text, or a Path, that can name a place?

    No system takes null characters, or names without end; and no text would be the folder that the program runs in.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not text or not isinstance(text, str) or "\0" in text or len(text) > LONGEST_PATH:
        return False
    return all(len(part.encode("utf-8", "replace")) <= LONGEST_NAME for part in re.split(r"[/\\]", text))


def file_name(text: str) -> str:
    """`text`, which may be anything, as the name of one file or folder: what could lead elsewhere becomes "_"."""
    plain = re.sub(r"[^\w.+()\[\] -]|^\.+", "_", text)
    return plain.encode()[:200].decode(errors="ignore") or "_"  # systems count bytes


def writable_folder(path: str | Path) -> Path:
    """Create the folder `path` (and its parents) if needed and prove with a temporary file that it can be written.

    Raises InputError when it cannot. Call it before the work whose results go there.
    """
    path = Path(path)
    probe = path / f".probe.{secrets.token_hex(4)}.tmp"
    try:
        path.mkdir(parents=True, exist_ok=True)
        with open(probe, "xb") as file:
            file.write(b"probe")
    except OSError as error:
        raise InputError(f"cannot write to folder {path}: {_reason(error)}; choose another folder") from error
    finally:
        _remove(probe)
    return path


def writable_file(path: str | Path) -> Path:
    """Prove that a file can be written at `path`, and make its folder. InputError when not; `path` stays as it is.

    Call it before the work whose result goes there.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file")
    writable_folder(path.parent)
    return path


def remove_temporary(folder: str | Path) -> None:
    """Take away what a killed `write_atomic` left in `folder` and below. Not while another process writes there.

    Only names that it gives: the folder may be the user's own, with other temporary files in it.
    """
    for path in Path(folder).rglob(".*.tmp"):
        if TEMPORARY.fullmatch(path.name):
            _remove(path)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:  # renamed already, or never made: either way nothing is left of it that we could remove
        return


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where the system allows to open a folder (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:  # some network and container file systems refuse; the content itself is already on disk
        return
    finally:
        os.close(handle)

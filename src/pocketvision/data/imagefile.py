"""Where the bytes of an encoded image lie: in a file, or inside a tar or zip that is never unpacked."""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pocketvision.errors import InputError

UTF8_FLAG, OLD_ENCODING = 0x800, "cp437"  # of a member's name in a zip
MOST_BYTES = 1 << 30  # of an encoded image: more than any that we would decode takes uncompressed

NOT_FOUND = "not found, was it moved or deleted?"


@dataclass(frozen=True)
class ImageFile:
    """A place where encoded image bytes lie.

    A plain file has only `path`; in a tar the bytes are `size` bytes at `offset` of `path`; in a zip they are `member`.
    """

    path: Path
    member: str = ""
    offset: int = 0
    size: int = -1

    @property
    def name(self) -> str:
        """Readable name for messages: the path, followed by the member when it lies in an archive."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        """The encoded bytes. Raises InputError when the file or member is gone, the archive is damaged, or too much."""
        return self._bytes(None)

    def head(self, most: int) -> bytes:
        """The first `most` bytes, or all when there are fewer. Raises InputError as `read` does."""
        return self._bytes(most)

    def bytes_in_all(self) -> int:
        """How many bytes `read` would give, without reading them. Raises InputError as `read` does."""
        with _blaming(self):
            if self.size >= 0:
                return self.size
            if self.member:
                return _archive(self.path).getinfo(self.member).file_size
            return os.stat(self.path).st_size

    def _bytes(self, most: int | None) -> bytes:
        with _blaming(self):
            if self.size >= 0:
                return self._read_stretch(most)
            if self.member:
                return self._read_member(most)
            return self._read_file(most)

    def _read_file(self, most: int | None) -> bytes:
        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise OSError("it is a pipe or a device, not a file")  # reading it could wait for ever
        with open(self.path, "rb") as file:
            return file.read(_allowed(status.st_size, most))

    def _read_member(self, most: int | None) -> bytes:
        archive = _archive(self.path)
        size = _allowed(archive.getinfo(self.member).file_size, most)
        with archive.open(self.member) as file:
            return file.read(size)

    def _read_stretch(self, most: int | None) -> bytes:
        size = _allowed(self.size, most)
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(size)
        if len(data) < size:
            raise EOFError("the archive ends before the image does")
        return data


@contextmanager
def _blaming(image: ImageFile) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"cannot read image {image.name}: {NOT_FOUND}") from error
    except KeyError as error:
        raise InputError(f"cannot read image {image.name}: no longer in its archive, open the data again") from error
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read image {image.name}: {one_line(error)}") from error


def _allowed(size: int, most: int | None) -> int:
    """How many of `size` bytes to read."""
    if most is not None:
        return min(size, most)
    if size > MOST_BYTES:
        raise OSError(f"it has {size / 1e9:.1f} GB, more than an image that we can hold")
    return size


def _archive(path: Path) -> zipfile.ZipFile:
    return _open_zip(path, os.stat(path).st_mtime_ns, os.getpid())


@lru_cache(maxsize=4)
def _open_zip(path: Path, _changed: int, _process: int) -> zipfile.ZipFile:
    """An open archive, so that its directory is not parsed again for every image.

    ZipFile serialises the reads of threads, but a forked process would share the position in the file: hence the key.
    """
    return open_zip(path)[0]


def open_zip(path: Path) -> tuple[zipfile.ZipFile, list[str]]:
    """A zip, and those of its names whose encoding is a guess.

    Each name is read by itself: as UTF-8 where its flag says so or its bytes are UTF-8 (macOS's Finder, among others,
    sets no flag), else as cp437, which the format prescribes without a flag.
    """
    archive = zipfile.ZipFile(path)
    guessed = []
    for member in archive.infolist():
        if member.flag_bits & UTF8_FLAG or member.filename.isascii() or member.filename != member.orig_filename:
            continue
        try:
            name = member.filename.encode(OLD_ENCODING).decode()
        except UnicodeError:
            guessed.append(member.filename)
            continue
        if archive.NameToInfo.get(member.filename) is member:
            del archive.NameToInfo[member.filename]
        member.filename = name
        archive.NameToInfo[name] = member
    return archive, guessed


def one_line(error: BaseException) -> str:
    """An exception's own words, in one line. An OSError's path is left out: our sentence names the image already."""
    words = (isinstance(error, OSError) and error.strerror) or str(error)
    return " ".join(words.split()) or type(error).__name__

"""Where the bytes of an encoded image lie: in a file, or inside a tar or zip that is never unpacked."""

import os
import stat
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pocketvision.errors import InputError

MOST_BYTES = 1 << 30  # of an encoded image: more than any that we would decode takes uncompressed


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
        try:
            if self.size >= 0:
                return self._read_stretch()
            if self.member:
                return self._read_member()
            return self._read_file()
        except FileNotFoundError as error:
            raise InputError(f"image {self.name} not found: check the path, was it moved or deleted?") from error
        except KeyError as error:
            raise InputError(f"image {self.name} is no longer in its archive: open the data again") from error
        except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read image {self.name}: {one_line(error)}") from error

    def _read_file(self) -> bytes:
        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise OSError("it is a pipe or a device, not a file")  # reading it could wait for ever
        _refuse(status.st_size)
        return self.path.read_bytes()

    def _read_member(self) -> bytes:
        archive = _open_zip(self.path, os.stat(self.path).st_mtime_ns, os.getpid())
        _refuse(archive.getinfo(self.member).file_size)
        return archive.read(self.member)

    def _read_stretch(self) -> bytes:
        _refuse(self.size)
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) < self.size:
            raise EOFError("the archive ends before the image does")
        return data


def _refuse(size: int) -> None:
    if size > MOST_BYTES:
        raise OSError(f"it has {size / 1e9:.1f} GB, more than an image that we can hold")


@lru_cache(maxsize=4)
def _open_zip(path: Path, _changed: int, _process: int) -> zipfile.ZipFile:
    """An open archive, so that its directory is not parsed again for every image.

    ZipFile serialises the reads of threads, but a forked process would share the position in the file: hence the key.
    """
    return zipfile.ZipFile(path)


def one_line(error: BaseException) -> str:
    """An exception's own words, in one line. An OSError's path is left out: our sentence names the image already."""
    words = (isinstance(error, OSError) and error.strerror) or str(error)
    return " ".join(words.split()) or type(error).__name__

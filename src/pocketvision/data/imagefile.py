"""Where the bytes of an encoded image lie: in a file, or inside a tar or zip that is never unpacked."""

import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pocketvision.errors import InputError


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
        """The encoded bytes. Raises InputError when the file or member is gone or the archive is damaged."""
        try:
            if self.size >= 0:
                return self._read_stretch()
            if self.member:
                return _open_zip(self.path, os.stat(self.path).st_mtime_ns, os.getpid()).read(self.member)
            return self.path.read_bytes()
        except FileNotFoundError as error:
            raise InputError(f"image {self.name} not found: check the path, was it moved or deleted?") from error
        except KeyError as error:
            raise InputError(f"image {self.name} is no longer in its archive: open the data again") from error
        except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            raise InputError(f"cannot read image {self.name}: {one_line(error)}") from error

    def _read_stretch(self) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(self.size)
        if len(data) < self.size:
            raise EOFError("the archive ends before the image does")
        return data


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

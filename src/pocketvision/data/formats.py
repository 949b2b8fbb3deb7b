"""Which files are images that we can read: by their suffix, and without a telling one by their first bytes."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import PurePosixPath

from pocketvision.data.imagefile import ImageFile
from pocketvision.errors import InputError

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .jfi .jif .pjpeg .pjp .mpo .png .apng .webp .bmp .dib .gif .tif .tiff .ppm .pgm .pbm .pnm "
    ".jp2 .j2k .j2c .jpc .jpf .jpx .avif .avifs".split()
)
HEIF_SUFFIXES = frozenset((".heic", ".heif", ".hif"))
INSTALL_HEIF = "pip install pillow-heif"
# Pictures of kinds that we do not read: to overlook them is worse than to overlook notes.
OTHER_PICTURES = frozenset(
    ".cr2 .cr3 .nef .arw .dng .orf .rw2 .raf .pef .srw .psd .xcf .svg .jxl .exr .hdr .tga .ico .eps .pdf .dcm .npy "
    ".mov .mp4 .avi .mkv .webm".split()
)
TELLING = re.compile(r"\.[a-z][a-z0-9]{1,5}~?")  # a suffix that says what the file is; .01 and .jpg_large do not
HEAD = 32  # bytes that tell a format

MAGIC = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  \r\n"),
    b"\xff\x4f\xff\x51",  # JPEG 2000 without a container
    *(f"P{kind}{space}".encode() for kind in "123456" for space in "\n\r\t "),
)
HEIF_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"))
BMP_HEADERS = frozenset((12, 40, 52, 56, 64, 108, 124))  # bytes of the header that follows the first 14


@lru_cache(maxsize=1)
def heif_installed() -> bool:
    """Whether pillow-heif is there; Pillow opens HEIC photographs from then on."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def is_heif(data: bytes) -> bool:
    """Does an encoded image begin as HEIC, the iPhone's format, does?"""
    return data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS


def is_image_data(data: bytes) -> bool:
    """Does `data` begin as an image of a format that we read, or as HEIC, whose reader says what to install?"""
    bitmap = data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in BMP_HEADERS
    webp, avif = data[:4] == b"RIFF" and data[8:12] == b"WEBP", data[4:12] in (b"ftypavif", b"ftypavis")
    return data.startswith(MAGIC) or bitmap or webp or avif or is_heif(data)


def is_image(name: str, file: ImageFile | None = None) -> bool:
    """Is this an image that we read? Without a telling suffix `file` is looked into, where it is given."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in IMAGE_SUFFIXES or (suffix in HEIF_SUFFIXES and heif_installed()):
        return True
    if file is None or TELLING.fullmatch(suffix):
        return False
    try:
        return is_image_data(file.head(HEAD))
    except InputError:  # it cannot be read at all: no image, then, but a file that is named
        return False


def is_picture(name: str) -> bool:
    """Is a file that we do not read a picture all the same, as its suffix says?"""
    return PurePosixPath(name).suffix.lower() in HEIF_SUFFIXES | OTHER_PICTURES


def kinds(names: Sequence[str], most: int = 3) -> str:
    """`2 .heic, 1 .txt`, the most frequent first."""
    counts = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in names)
    text = ", ".join(f"{number} {kind}" for kind, number in counts.most_common(most))
    return text + (", ..." if len(counts) > most else "")


def remedy(names: Sequence[str]) -> str:
    """What to install to read more of these files: `for .heic pip install pillow-heif`; "" when that is nothing."""
    heif = sorted({PurePosixPath(name).suffix.lower() for name in names} & HEIF_SUFFIXES)
    return f"for {' and '.join(heif)} {INSTALL_HEIF}" if heif and not heif_installed() else ""

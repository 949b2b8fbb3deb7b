"""Fashion-MNIST (arXiv 1708.07747): 60,000 + 10,000 grey pictures of clothes, 28 x 28 px, in ten classes.

Read from Debian's package, or from torchvision's download when the user asked for one.
"""

import gzip
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.imagefile import one_line
from pocketvision.errors import InputError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where the package dataset-fashion-mnist puts its four files
PARTS = (("train", "train", 60_000), ("test", "t10k", 10_000))  # split, start of the file's name, images
SIDE = 28  # px
CLASSES = (  # in the order of the files' labels; the paper's "T-shirt/top" without its slash: these are folders
    *("T-shirt or top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def write_fashion_mnist(path: Path, download: bool) -> None:
    """Write train/<class>/ and test/<class>/ as one uncompressed zip.

    70,000 small files would be slow on every disk; and as plain PGM the pixels are read as quickly as they are written.
    Raises InputError when the images are not on this machine and may not be downloaded, or are damaged.
    """
    if all(file.is_file() for file in _files(DEBIAN)):
        _pack(DEBIAN, path)
        return
    if not download:
        raise InputError(
            "the data fashion-mnist is not on this machine: apt install dataset-fashion-mnist (Debian, Ubuntu), "
            "or have it downloaded with --download (in Python: download=True)"
        )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        _pack(_download(Path(folder)), path)


def _files(folder: Path) -> list[Path]:
    return [folder / f"{start}-{what}-ubyte.gz" for _, start, _ in PARTS for what in ("images-idx3", "labels-idx1")]


def _download(folder: Path) -> Path:
    """Let torchvision fetch the four files, 31 MB, and compare their checksums."""
    try:
        from torchvision.datasets import FashionMNIST
    except ImportError as error:
        raise InputError("downloading fashion-mnist needs torchvision: pip install 'pocketvision[train]'") from error
    try:
        return Path(FashionMNIST(folder, download=True).raw_folder)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"fashion-mnist could not be downloaded ({one_line(error)}): try again later, or apt install "
            "dataset-fashion-mnist (Debian, Ubuntu)"
        ) from error


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for split, start, number in PARTS:
            images = _numbers(folder / f"{start}-images-idx3-ubyte.gz", (number, SIDE, SIDE))
            labels = _numbers(folder / f"{start}-labels-idx1-ubyte.gz", (number,))
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                name = f"{split}/{CLASSES[label]}/{index:05}.pgm"
                archive.writestr(zipfile.ZipInfo(name), b"P5 %d %d 255\n" % (SIDE, SIDE) + image.tobytes())


def _numbers(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """The bytes of an idx file: a header of 4 bytes, the sizes as big-endian 32-bit numbers, then the content."""
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {file}: {one_line(error)}; install or download it again") from error
    header = b"\0\0\x08" + bytes([len(shape)]) + np.array(shape, ">u4").tobytes()
    if not content.startswith(header) or len(content) != len(header) + int(np.prod(shape)):
        raise InputError(f"{file} does not hold {shape[0]:,} entries of Fashion-MNIST: install or download it again")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)

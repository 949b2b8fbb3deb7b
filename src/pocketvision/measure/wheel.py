"""This package as a wheel, made on the spot for another device: what runs there is what runs here, without a download.

A wheel is a zip of the package's files beside a `.dist-info` folder (PEP 427). Only what the package itself consists of
goes in: the libraries it needs must be on the device already.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from pocketvision import __version__
from pocketvision.errors import InputError

NAME = "pocketvision"
SKIPPED = {"__pycache__"}
WHEEL = "Wheel-Version: 1.0\nGenerator: pocketvision\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same files give the same bytes


def build_wheel(folder: str | Path) -> Path:
    """Write `pocketvision-VERSION-py3-none-any.whl` into `folder`. InputError where it cannot be written."""
    package = Path(__file__).parents[1]
    info = f"{NAME}-{__version__}.dist-info"
    content = {
        f"{NAME}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and not SKIPPED & set(path.parts)
    }
    content |= {f"{info}/METADATA": _metadata().encode(), f"{info}/WHEEL": WHEEL.encode()}
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = Path(folder) / f"{NAME}-{__version__}-py3-none-any.whl"
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(zipfile.ZipInfo(name, WHEN), data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise InputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}; make room there") from error
    return path


def _metadata() -> str:
    """Name, version, and what the installed package says it needs; a bare checkout says nothing."""
    try:
        needed = requires(NAME) or []
    except PackageNotFoundError:
        needed = []
    lines = ["Metadata-Version: 2.1", f"Name: {NAME}", f"Version: {__version__}", "Requires-Python: >=3.11"]
    return "".join(f"{line}\n" for line in [*lines, *(f"Requires-Dist: {entry}" for entry in needed)])


def _digest(data: bytes) -> str:
    """`sha256=...` as PEP 376's RECORD wants it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

"""Engines that run a shipped network. One file per runtime, with `load` and, where it has a file format, `convert`.

    convert(net, path, macs=None) -> Path    write a Network as one file of this runtime
    load(source, threads=0) -> Runnable      a file of this runtime (torch: a Network), ready to run; 0: all cores

A new runtime is one file here, one line in RUNTIMES, one in SUFFIXES for its files, one in LIBRARIES where importing it
takes long, and one in INSTALL unless it comes with the package or its library is installed under its own name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.dataset import Task
from pocketvision.data.image import Preprocessing
from pocketvision.errors import InputError
from pocketvision.validation import suggestion

RUNTIMES: dict[str, str] = {
    "onnxruntime": "pocketvision.runtimes.onnxruntime",
    "torch": "pocketvision.runtimes.torch",
    "torch_folded": "pocketvision.runtimes.torch_folded",
    "torch_compiled": "pocketvision.runtimes.torch_compiled",
    "openvino": "pocketvision.runtimes.openvino",
    "litert": "pocketvision.runtimes.litert",
    "executorch": "pocketvision.runtimes.executorch",
    "ncnn": "pocketvision.runtimes.ncnn",
    "mnn": "pocketvision.runtimes.mnn",
}

# The runtime that opens a file, by the ending of its name.
SUFFIXES: dict[str, str] = {
    ".onnx": "onnxruntime",
    ".tflite": "litert",
    ".pte": "executorch",
    ".ncnn": "ncnn",
    ".mnn": "mnn",
}

# The library behind each runtime: looked for, not imported, to say what is installed. Unlisted ones are imported.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch",),
    "torch_folded": ("torch",),
    "torch_compiled": ("torch",),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert",),
    "executorch": ("executorch", "torch"),
    "ncnn": ("ncnn",),
    "mnn": ("MNN",),
}

# These read our ONNX file: openvino as it is, mnn through its own converter (`convert_onnx(onnx_file, path)`).
FROM_ONNX = ("openvino", "mnn")

# What to install for a runtime that does not come with the package itself.
INSTALL: dict[str, str] = {
    "torch": "'pocketvision[train]'",
    "torch_folded": "'pocketvision[train]'",
    "torch_compiled": "'pocketvision[train]'",
    "litert": "ai-edge-litert",
    "mnn": "MNN",
}


class Runnable(Protocol):
    """A network in an engine: pixels in, probabilities out, everything between inside."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def preprocessing(self) -> Preprocessing: ...
    @property
    def task(self) -> Task: ...
    @property
    def threshold(self) -> float | None: ...  # below this probability an answer is unsure; None: never
    @property
    def runtime(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def version(self) -> str: ...

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """N x H x W x C pixels at `preprocessing.resolution` -> N x classes probabilities.

        They sum to 1 for an image in the task "classify"; in "multilabel" each is between 0 and 1 for itself.
        """
        ...


def require_runtime(name: str) -> None:
    """InputError, with the nearest, for a name that no runtime has; nothing is imported."""
    if name not in RUNTIMES:
        raise InputError(f"unknown runtime {name!r}: {suggestion(name, RUNTIMES)}")


def get_runtime(name: str) -> ModuleType:
    """The module of a runtime. InputError for an unknown name, and for one whose library is not installed."""
    require_runtime(name)
    try:
        return importlib.import_module(RUNTIMES[name])
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pocketvision"):
            raise
        package = INSTALL.get(name, error.name)
        raise InputError(
            f"runtime {name!r} needs {error.name}, which is not installed: pip install {package}"
        ) from error


def installed_runtimes() -> list[str]:
    """The names in RUNTIMES whose libraries are here, in that order."""
    return [name for name in RUNTIMES if is_installed(name)]


def is_installed(name: str) -> bool:
    """Can this runtime be used here? InputError never: an unknown name cannot."""
    if name in LIBRARIES:
        return all(_is_there(library) for library in LIBRARIES[name])
    try:
        get_runtime(name)
    except InputError:
        return False
    return True


def _is_there(library: str) -> bool:
    try:
        return importlib.util.find_spec(library) is not None
    except (ValueError, ModuleNotFoundError):  # a module without a specification
        return library in sys.modules

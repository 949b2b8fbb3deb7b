"""LiteRT (TensorFlow Lite) with its XNNPACK kernels. Writing needs `litert-torch`, running only `ai-edge-litert`.

The file is a .tflite for one image; a batch is answered image by image.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.packed import Loaded, describe, loaded, one_by_one, pack, unpack

if TYPE_CHECKING:
    from pocketvision.network import Network


def convert(net: Network, path: str | Path, macs: int | None = None) -> Path:
    """Write `net` as one .tflite file: uint8 1 x H x W x C -> float32 1 x classes. 10 to 40 s.

    InputError when litert-torch is missing.
    """
    try:
        import litert_torch
        import torch
    except ImportError as error:
        raise InputError(
            f"writing .tflite files needs {error.name}, which is not installed: pip install litert-torch "
            "(not beside executorch: their versions of other libraries exclude each other)"
        ) from error
    from pocketvision.runtimes.torch import Shipped, evaluating

    shipped = Shipped(net)
    example = torch.zeros(1, *net.preprocessing.resolution, net.preprocessing.channels, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, evaluating(shipped):
        target = Path(folder) / "model.tflite"
        litert_torch.convert(shipped, (example,)).export(str(target))
        return pack(path, describe(net, macs), target.read_bytes())


def load(path: str | Path, threads: int = 0) -> Loaded:
    """Open a file that `convert` wrote with `threads` threads (0: all usable cores). Needs no PyTorch."""
    contents, threads = unpack(path), threads or usable_cores()
    try:
        interpreter = Interpreter(model_content=contents.body, num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be loaded by LiteRT: {' '.join(str(error).split())}; export it again"
        ) from None
    (image,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter.set_tensor(image["index"], images)
        interpreter.invoke()
        probabilities: NDArray[np.float32] = interpreter.get_tensor(output["index"])
        return probabilities

    return loaded(contents.info, one_by_one(answer), path, threads, "litert", version("ai-edge-litert"))

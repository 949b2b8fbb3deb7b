"""MNN. Its converter reads our ONNX file.

The converter is called in the library `_tools` directly: importing `MNN.tools` runs `pip install` and reports to a
server, which is nobody's wish here.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import MNN
import numpy as np
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.packed import Loaded, loaded, pack, unpack

if TYPE_CHECKING:
    from pocketvision.network import Network


def convert(net: Network, path: str | Path, macs: int | None = None) -> Path:
    """Write `net` as one .mnn file: uint8 N x H x W x C -> float32 N x classes."""
    from pocketvision.runtimes import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        return convert_onnx(onnxruntime.convert(net, Path(folder) / "model.onnx", macs), path)


def convert_onnx(source: str | Path, path: str | Path) -> Path:
    """Our ONNX file as one .mnn file. Needs no PyTorch. InputError when MNN cannot convert it."""
    import _tools

    from pocketvision.runtimes import onnxruntime

    info = {key: value for key, value in onnxruntime.load(source, 1).info.items() if key != "sha256"}
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "model.mnn")
        command = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", target, "--bizCode", "pocketvision"]
        _tools.mnnconvert(["mnnconvert", *command])
        if not os.path.exists(target):
            raise InputError(f"MNN cannot convert {source}: choose another runtime for this network")
        return pack(path, json.loads(json.dumps(info)), Path(target).read_bytes())


def load(path: str | Path, threads: int = 0) -> Loaded:
    """Open a file that `convert` wrote with `threads` threads (0: all usable cores)."""
    contents, threads = unpack(path), threads or usable_cores()
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "model.mnn"
        bare.write_bytes(contents.body)
        try:
            interpreter = MNN.Interpreter(str(bare))
        except Exception as error:  # MNN raises nothing more exact
            raise InputError(f"{path} cannot be loaded by MNN {MNN.version()}: export it again") from error
    # "high" is float32; the default may compute in less.
    session = interpreter.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
    image = interpreter.getSessionInput(session)
    layout = MNN.Tensor_DimensionType_Caffe  # the tensor exactly as it lies: MNN's NHWC would be permuted
    shape: list[Any] = [None]

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if shape[0] != images.shape:
            interpreter.resizeTensor(image, images.shape)
            interpreter.resizeSession(session)
            shape[0] = images.shape
        image.copyFrom(MNN.Tensor(images.shape, MNN.Halide_Type_Uint8, np.ascontiguousarray(images), layout))
        interpreter.runSession(session)
        output = interpreter.getSessionOutput(session)
        found = np.zeros(output.getShape(), np.float32)
        host = MNN.Tensor(found.shape, MNN.Halide_Type_Float, found, layout)
        output.copyToHostTensor(host)
        return np.array(host.getNumpyData(), np.float32)

    return loaded(contents.info, answer, path, threads, "mnn", MNN.version())

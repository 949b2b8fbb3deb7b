"""OpenVINO on the CPU: it reads the ONNX file as it is, so there is nothing to convert.

Each batch size that comes up gets a network compiled for exactly this shape: kernels for a shape that is only known
when the call comes are slower. float32 throughout, also where the CPU has bf16: a comparison needs the same answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.files import read_whole
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.packed import Loaded, loaded

if TYPE_CHECKING:
    from pocketvision.network import Network

KEY = "pocketvision"
VERSION = str(openvino.__version__).partition("-")[0]


def convert(net: Network, path: str | Path, macs: int | None = None) -> Path:
    """Write `net` as our ONNX file; see `pocketvision.runtimes.onnxruntime.convert`."""
    from pocketvision.runtimes import onnxruntime

    return onnxruntime.convert(net, path, macs)


def load(path: str | Path, threads: int = 0) -> Loaded:
    """Open our ONNX file with `threads` threads (0: all usable cores) and one stream, for the shortest single call.

    InputError for a missing or damaged file and for an ONNX file of somebody else.
    """
    path, threads = Path(path), threads or usable_cores()
    data = read_whole(path)
    core = openvino.Core()
    try:
        # Bytes, not the path: OpenVINO chooses its reader by the ending of the name.
        model = core.read_model(data)
    except RuntimeError as error:
        raise InputError(f"{path} is damaged or not an ONNX file: export or copy it again") from error
    try:
        info: dict[str, Any] = json.loads(model.get_rt_info(["framework", KEY]).value)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path} is an ONNX file of another program: it says nothing of classes and preprocessing"
        ) from error
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": "1",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # which CPUs a measurement uses is decided by whoever measures
    }
    requests: dict[int, Any] = {}

    def request_for(batch: int) -> Any:
        if batch not in requests:
            shaped = model.clone()
            shaped.reshape([batch, *list(model.inputs[0].partial_shape)[1:]])
            requests[batch] = core.compile_model(shaped, "CPU", options).create_infer_request()
        return requests[batch]

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = request_for(len(images))
        request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
        return np.array(request.get_output_tensor(0).data)  # a copy: the next call writes into the same memory

    return loaded(info, answer, path, threads, "openvino", VERSION)

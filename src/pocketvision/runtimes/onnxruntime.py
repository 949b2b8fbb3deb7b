"""ONNX Runtime: one self-contained .onnx file that knows its classes and preprocessing and runs without PyTorch.

The file's metadata has one key, "pocketvision": a JSON object with `format_version`, `task`, `classes`,
`preprocessing`, `calibration` (absent: never calibrated), `name`, `params`, `macs` and `sha256`, the hash of the file
with 64 zeros in the hash's own place. A file whose hash no longer fits is refused: what was verified after the export
is not what would run. Whoever edits such a file on purpose (a quantiser, a simplifier) takes `sha256` out of the
object.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from pocketvision.calibration import Calibration
from pocketvision.data.dataset import TASKS, Task
from pocketvision.data.image import Preprocessing
from pocketvision.errors import InputError
from pocketvision.files import read_whole, writable_folder, write_atomic
from pocketvision.finite import require_finite_arrays
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.onnx_weights import initialisers

if TYPE_CHECKING:
    from pocketvision.network import Network

KEY = "pocketvision"
FORMAT_VERSION = 1
OPSET = 17  # of ONNX 1.12 (2022): old enough for every engine that we know, and all that our operators need
NO_HASH = "0" * 64


def convert(net: Network, path: str | Path, macs: int | None = None) -> Path:
    """Write `net` as one .onnx file, atomically: uint8 N x H x W x C `image` -> float32 N x classes `probabilities`.

    The batch is dynamic, the rest fixed. `macs` (multiply-adds of one image, as counted) goes into the metadata.
    The network's own mode and weights stay as they are. InputError when the folder cannot be written.
    """
    try:
        import onnx
        import torch
    except ModuleNotFoundError as error:
        message = f"writing ONNX files needs {error.name}, which is not installed: pip install 'pocketvision[train]'"
        raise InputError(message) from error
    from pocketvision.runtimes.torch import Shipped, evaluating

    path = Path(path)
    writable_folder(path.parent)
    shipped = Shipped(net)
    device = next(net.parameters()).device
    example = torch.zeros(
        1, *net.preprocessing.resolution, net.preprocessing.channels, dtype=torch.uint8, device=device
    )
    batch = {0: "batch"}
    with tempfile.TemporaryDirectory() as folder, evaluating(shipped), warnings.catch_warnings():
        traced = Path(folder) / "traced.onnx"
        # The exporter by tracing: 0.7 s a network where the newer one takes 17 s, for a file of the same speed and the
        # same numbers. It is deprecated and says so; its other warnings stay visible.
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        # TensorFlow's padding is computed from the input's size, which an exported file has fixed.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python")
        torch.onnx.export(
            shipped,
            (example,),
            traced,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["probabilities"],
            dynamic_axes={"image": batch, "probabilities": batch},
        )
        model = onnx.load(traced)
    model.producer_name = KEY
    entry = model.metadata_props.add()
    entry.key = KEY
    entry.value = json.dumps(
        {
            "format_version": FORMAT_VERSION,
            "task": net.task,
            "name": net.spec.name,
            "classes": list(net.classes),
            "preprocessing": net.preprocessing.to_json(),
            "calibration": net.calibration.to_json(),  # the temperature is in the graph already
            "params": sum(parameter.numel() for parameter in net.parameters()),
            "macs": macs,
            "trained_on": net.provenance.get("trained_on", []),  # see data.record.sketch
            "sha256": NO_HASH,
        }
    )
    onnx.checker.check_model(model, full_check=True)
    write_atomic(path, _sealed(model.SerializeToString()))
    return path


@dataclass(frozen=True)
class OnnxRunnable:
    """A loaded .onnx file. `info` is the JSON object of its metadata."""

    session: onnxruntime.InferenceSession
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    threads: int
    info: dict[str, Any]
    path: Path
    threshold: float | None = None
    runtime: str = "onnxruntime"
    version: str = onnxruntime.__version__

    @property
    def task(self) -> Task:
        """One class for each image, or any number of them."""
        return self.info["task"]

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """N x H x W x C pixels at the network's resolution -> N x classes probabilities."""
        probabilities: NDArray[np.float32] = self.session.run(["probabilities"], {"image": images})[0]
        return probabilities


def load(path: str | Path, threads: int = 0, profile: Path | None = None) -> OnnxRunnable:
    """Open a file that `convert` wrote, on the CPU with `threads` threads (0: all usable cores). Needs no PyTorch.

    `profile` notes the time of every node; see `set_profile`.
    InputError for a missing, damaged or altered file, for an ONNX file of somebody else, and for an unknown version.
    """
    path = Path(path)
    data = read_whole(path)
    threads = threads or usable_cores()
    options = _options(threads)
    set_profile(options, profile)
    try:
        # Without the fallback to other providers, which would print and then try the same again.
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except (errors.InvalidProtobuf, errors.InvalidArgument, errors.InvalidGraph, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged or not an ONNX file: export or copy it again") from error
    except (errors.Fail, errors.NotImplemented, errors.RuntimeException) as error:
        reason = str(error).partition("\n")[0].strip()
        raise InputError(f"{path} cannot be loaded by ONNX Runtime: {reason}; export it again") from error
    runnable = _runnable(path, data, session, threads)
    require_finite_arrays(initialisers(data), str(path))
    return runnable


def set_profile(options: onnxruntime.SessionOptions, profile: Path | None) -> None:
    """Have a session note the time of every node, or None: not.

    `profile` begins the name of the file that `session.end_profiling()` writes; the graph that ran is in `optimised`.
    """
    options.enable_profiling = profile is not None
    options.profile_file_prefix = str(profile or "")
    options.optimized_model_filepath = str(optimised(profile) if profile else "")


def optimised(profile: Path) -> Path:
    """Where a session that writes `profile` leaves the graph as it optimised it."""
    return profile.with_name(f"{profile.name}.optimised.onnx")


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # only what ends the process; failures reach us as exceptions
    # Helper threads wait for the next piece of work by spinning, which is what makes several threads worth having, and
    # by default go on for some 40 ms after a call has returned: long enough to steal a core from whatever runs
    # next, another network's turn in a comparison included. 0.2 ms bridge the gaps inside a call and between calls back
    # to back, at the same latency. (Releases that do not know the key ignore it; one thread never spins.)
    options.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    return options


def _runnable(path: Path, data: bytes, session: onnxruntime.InferenceSession, threads: int) -> OnnxRunnable:
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        raise InputError(f"{path} is an ONNX file of another program: it says nothing of classes and preprocessing")
    try:
        info: dict[str, Any] = json.loads(text)
        version = info["format_version"]
        if version != FORMAT_VERSION:
            raise InputError(
                f"{path} has format version {version}, this release reads {FORMAT_VERSION}: update pocketvision"
            )
        if info["task"] not in TASKS:
            raise InputError(
                f"{path} is for the task {info['task']!r}, which this release cannot run: update pocketvision"
            )
        if "sha256" in info and _hash(data, info["sha256"]) != info["sha256"]:
            raise InputError(f"{path} was altered after its export: export or copy it again")
        classes = tuple(str(name) for name in info["classes"])
        preprocessing = Preprocessing.from_json(info["preprocessing"])
        threshold = Calibration.from_json(info.get("calibration")).threshold
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the metadata of {path} is damaged ({error!r}): export or copy it again") from error
    return OnnxRunnable(session, classes, preprocessing, threads, info, path, threshold)


def _sealed(data: bytes) -> bytes:
    """`data` with its hash where the zeros are. Only the last such run can be ours: metadata follow the graph."""
    before, zeros, after = data.rpartition(NO_HASH.encode())
    assert zeros
    return before + hashlib.sha256(data).hexdigest().encode() + after


def _hash(data: bytes, written: str) -> str:
    """The hash of a sealed file as it was before sealing."""
    before, _, after = data.rpartition(written.encode())
    return hashlib.sha256(before + NO_HASH.encode() + after).hexdigest()

"""`export`: write a network for a runtime, load that file there, and compare the two before saying it is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pocketvision.arguments import as_annotated
from pocketvision.data.image import ImageFile
from pocketvision.errors import InputError
from pocketvision.files import file_name
from pocketvision.progress import Steps
from pocketvision.runtimes import get_runtime
from pocketvision.validation import require_one_of

if TYPE_CHECKING:
    from pocketvision.network import Network

FORMATS = {"onnx": ("onnxruntime", ".onnx")}
TOLERANCE = 1e-3  # in probability; float32 kernels that differ only in the order of sums stay far below


def check_export(to: str, path: str | Path | None = None) -> None:
    """InputError for an unknown format, and for a `path` where no file can be written."""
    require_one_of(to, FORMATS, "format to export to")
    target = Path(path) if path else Path()
    folder = target.parent if path else target
    if not folder.is_dir() or (path and target.is_dir()) or not os.access(folder, os.W_OK):
        raise InputError(f"cannot write {target}: give a file name in a folder that exists and can be written to")


@as_annotated("net")
def export(
    net: Network,
    to: str = "onnx",
    path: str | Path | None = None,
    images: Sequence[ImageFile | Path] | None = None,
    show: bool = False,
) -> dict[str, Any]:
    """Write `net` as a file of `to`, run it there, compare; returns {path, size_bytes, runtime, images, ...}.

    The comparison runs over `images`; without them over crops of the two photographs that scikit-learn carries.
    InputError for an unknown format or an unwritable place; RuntimeError when the file answers differently. The
    file appears at `path` only after it has passed.
    """
    check_export(to, path)
    from pocketvision.network import require_network

    require_network(net, "export")
    from pocketvision.measure.count_spec import count_spec
    from pocketvision.runtimes import torch as torch_runtime
    from pocketvision.runtimes.verify import compare

    name, suffix = FORMATS[to]
    target = Path(path) if path else Path(file_name(net.spec.name) + suffix)
    runtime = get_runtime(name)
    checked = images or sample_photographs(net.spec.channels)
    unchecked = target.with_name(f".{target.stem}.{os.getpid()}{suffix}")
    try:
        runtime.convert(net, unchecked, count_spec(net.spec).macs)
        with Steps("checking the export", len(checked), show) as steps:
            check = compare(
                torch_runtime.load(net),
                runtime.load(unchecked),
                checked,
                progress=lambda done, _: steps.done(done),
            )
        if check.max_abs_error > TOLERANCE:
            raise RuntimeError(f"{name} answers differently from torch by {check.max_abs_error:.2g}: nothing exported")
        unchecked.replace(target)
    finally:
        unchecked.unlink(missing_ok=True)
    report = {key: value for key, value in check.to_json().items() if value is not None}
    return {"path": str(target), "size_bytes": target.stat().st_size, **report}


def sample_photographs(channels: int) -> list[NDArray[np.uint8]]:
    """Eight crops (H x W x channels) of scikit-learn's two photographs: real pixels where the user gave none."""
    from sklearn.datasets import load_sample_images

    crops = []
    for photograph in load_sample_images().images:
        for left in (0, 100, 200, 300):
            crop = Image.fromarray(photograph[:, left : left + 340])
            grey = np.asarray(crop.convert("L"))[:, :, None]
            crops.append(np.asarray(crop) if channels == 3 else np.repeat(grey, channels, axis=2))
    return crops

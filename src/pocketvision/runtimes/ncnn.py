"""ncnn. Writing needs `pnnx` and PyTorch, running only `ncnn`. A batch is answered image by image.

Normalisation is done by ncnn's own functions for pixels before the network, the rest is in the graph.
"""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import ncnn
import numpy as np
from numpy.typing import NDArray

from pocketvision.data.image import Preprocessing
from pocketvision.errors import InputError
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.packed import Loaded, describe, loaded, one_by_one, pack, unpack

if TYPE_CHECKING:
    from pocketvision.network import Network

PARAM, WEIGHTS = "model.ncnn.param", "model.ncnn.bin"
INPUT, OUTPUT = "in0", "out0"  # what pnnx calls them
PIXELS = {1: ncnn.Mat.PixelType.PIXEL_GRAY, 3: ncnn.Mat.PixelType.PIXEL_RGB}


def convert(net: Network, path: str | Path, macs: int | None = None) -> Path:
    """Write `net` as one file: a ZIP archive with ncnn's `.param` and `.bin`, float32.

    InputError when pnnx is missing or cannot convert the network.
    """
    try:
        import pnnx
        import torch
    except ImportError as error:
        raise InputError(
            f"writing ncnn files needs {error.name}, which is not installed: pip install pnnx 'pocketvision[train]'"
        ) from error
    from pocketvision.runtimes.torch import Shipped, evaluating

    shipped = Shipped(net)
    height, width = net.preprocessing.resolution
    shape = [1, net.preprocessing.channels, height, width]
    with tempfile.TemporaryDirectory() as folder, evaluating(shipped), warnings.catch_warnings():
        # Tracing is deprecated and says so; it is what pnnx reads best.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", ".*torch.jit.*")
        with torch.no_grad():
            torch.jit.trace(_from_floats(shipped), torch.zeros(shape)).save(str(Path(folder) / "model.pt"))
        command = [pnnx.EXEC_PATH, "model.pt", f"inputshape=[{','.join(map(str, shape))}]", "fp16=0"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        files = [Path(folder) / name for name in (PARAM, WEIGHTS)]
        if not all(file.is_file() for file in files):
            reason = (done.stderr or done.stdout).strip().rpartition("\n")[2]
            raise InputError(f"pnnx cannot convert {net.spec.name} ({reason}): choose another runtime for it")
        return pack(path, describe(net, macs), b"", {file.name: file.read_bytes() for file in files})


def load(path: str | Path, threads: int = 0) -> Loaded:
    """Open a file that `convert` wrote with `threads` threads (0: all usable cores). Needs no PyTorch."""
    contents, threads = unpack(path), threads or usable_cores()
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = net.opt.use_bf16_packed = False
    net.opt.openmp_blocktime = 1  # ms that idle threads spin: the default of 20 steals from whoever runs next
    with tempfile.TemporaryDirectory() as folder:
        for name in (PARAM, WEIGHTS):
            if name not in contents.members:
                raise InputError(f"{path} is not a file for ncnn: export it again")
            (Path(folder) / name).write_bytes(contents.members[name])
        if net.load_param(str(Path(folder) / PARAM)) or net.load_model(str(Path(folder) / WEIGHTS)):
            raise InputError(f"{path} cannot be loaded by ncnn {ncnn.__version__}: export it again")
    preprocessing = Preprocessing.from_json(contents.info["preprocessing"])
    mean = [255 * value for value in preprocessing.mean]
    scale = [1 / (255 * value) for value in preprocessing.std]
    height, width = preprocessing.resolution
    kind = PIXELS.get(preprocessing.channels)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if kind is None:  # ncnn reads no such pixels
            planes = np.ascontiguousarray(images[0].transpose(2, 0, 1), np.float32)
            pixels = ncnn.Mat(planes).clone()  # a Mat does not keep the array that it was made of
        else:
            pixels = ncnn.Mat.from_pixels(np.ascontiguousarray(images[0]), kind, width, height)
        pixels.substract_mean_normalize(mean, scale)
        extractor = net.create_extractor()
        extractor.input(INPUT, pixels)
        status, output = extractor.extract(OUTPUT)
        if status:
            raise RuntimeError(f"ncnn gave status {status}")
        return np.array(output, np.float32)[None]

    return loaded(contents.info, one_by_one(answer), path, threads, "ncnn", ncnn.__version__)


def _from_floats(shipped: object) -> object:
    """The part of a Shipped network behind the normalisation: N x C x H x W floats -> probabilities."""
    import torch

    class FromFloats(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.sharpness = shipped.net, float(shipped.sharpness)  # type: ignore[attr-defined]
            self.multilabel = self.net.task == "multilabel"

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.net(x)
            if self.sharpness != 1:
                logits = logits * self.sharpness
            return logits.sigmoid() if self.multilabel else logits.softmax(dim=1)

    return FromFloats().eval()

"""ExecuTorch with the XNNPACK delegate. The file is a .pte for one image; a batch is answered image by image.

Its Python package runs on top of PyTorch, so this is what a phone's CPU would do, not what a small installation needs.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from executorch.extension.pybindings import portable_lib
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.packed import Loaded, describe, loaded, one_by_one, pack, unpack

if TYPE_CHECKING:
    from pocketvision.network import Network


def convert(net: Network, path: str | Path, macs: int | None = None) -> Path:
    """Write `net` as one .pte file: uint8 1 x H x W x C -> float32 1 x classes. Some 20 s."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from pocketvision.runtimes.torch import Shipped, evaluating

    shipped = Shipped(net)
    example = torch.zeros(1, *net.preprocessing.resolution, net.preprocessing.channels, dtype=torch.uint8)
    with evaluating(shipped):
        exported = torch.export.export(shipped, (example,))
        program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    return pack(path, describe(net, macs), bytes(program.buffer))


def load(path: str | Path, threads: int = 0) -> Loaded:
    """Open a file that `convert` wrote. `threads` (0: all usable cores) is the thread pool's for the whole process."""
    contents, threads = unpack(path), threads or usable_cores()
    if portable_lib._threadpool_get_thread_count() != threads:
        portable_lib._unsafe_reset_threadpool(threads)
    program = contents.body
    try:
        module = portable_lib._load_for_executorch_from_buffer(program)
    except RuntimeError as error:
        raise InputError(f"{path} cannot be loaded by ExecuTorch: {' '.join(str(error).split())}") from error

    def answer(images: NDArray[np.uint8], keep: bytes = program) -> NDArray[np.float32]:
        # The module reads the program where it lies: it must live as long as this function (`keep`).
        outputs: list[Any] = module.run_method("forward", [torch.from_numpy(images)])
        return np.array(outputs[0].numpy())  # a copy: the next call writes into the same memory

    return loaded(contents.info, one_by_one(answer), path, threads, "executorch", version("executorch"))

"""PyTorch, folded, through torch.compile: kernels in C++ written for this network, this batch and this thread count.

The first call of each batch size compiles, some 10 to 60 s a network (PyTorch keeps what it compiled for the next
process). Needs a C++ compiler.
"""

from __future__ import annotations

import os
import shutil
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.runtimes.torch import TorchRunnable
from pocketvision.runtimes.torch_folded import load as load_folded

if TYPE_CHECKING:
    from pocketvision.network import Network


@dataclass(frozen=True)
class CompiledRunnable(TorchRunnable):
    """A Network that torch.compile has rewritten."""

    compiled: Any = None

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """N x H x W x C pixels at the network's resolution -> N x classes probabilities."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.require(images, requirements="W")).to(self.shipped.mean.device)
            probabilities: NDArray[np.float32] = self.compiled(pixels).cpu().numpy()
        return probabilities


def load(net: Network, threads: int = 0) -> CompiledRunnable:
    """As `pocketvision.runtimes.torch.load`; the first call compiles. InputError where no C++ compiler is found."""
    compiler = os.environ.get("CXX") or next((name for name in ("g++", "clang++", "cl") if shutil.which(name)), None)
    if compiler is None:
        raise InputError(
            "torch_compiled needs a C++ compiler, and none is here: install g++, or leave this runtime out"
        )
    plain = load_folded(net, threads)
    shared = {key: getattr(plain, key) for key in ("shipped", "classes", "preprocessing", "threads")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(plain.shipped, dynamic=False)
    runnable = CompiledRunnable(**shared, threshold=plain.threshold, task=plain.task, compiled=compiled)
    return replace(runnable, runtime="torch_compiled")

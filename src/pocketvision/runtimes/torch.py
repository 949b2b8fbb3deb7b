"""PyTorch: the reference that every other runtime is compared with, and what exporters start from."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pocketvision.data.dataset import Task
from pocketvision.data.image import Preprocessing
from pocketvision.finite import require_finite

if TYPE_CHECKING:
    from pocketvision.network import Network


class Shipped(nn.Module):
    """A Network with what it needs around it: uint8 N x H x W x C pixels -> float32 N x classes probabilities."""

    mean: Tensor
    scale: Tensor
    sharpness: Tensor

    def __init__(self, net: Network) -> None:
        super().__init__()
        require_finite(net.state_dict(), f"the network {net.spec.name}")
        self.net = net
        # (x / 255 - mean) / std on pixels as they come, 0..255: one subtraction and one multiplication.
        device = next(net.parameters()).device
        mean = torch.tensor(net.preprocessing.mean, dtype=torch.float64, device=device) * 255
        std = torch.tensor(net.preprocessing.std, dtype=torch.float64, device=device) * 255
        self.register_buffer("mean", mean.float().view(1, -1, 1, 1))
        self.register_buffer("scale", (1 / std).float().view(1, -1, 1, 1))
        self.register_buffer("sharpness", torch.tensor(1 / net.calibration.temperature, device=device))

    def forward(self, images: Tensor) -> Tensor:
        # Pixels lie as N x H x W x C, which is PyTorch's channels_last: the permutation costs nothing.
        x = images.permute(0, 3, 1, 2).float()
        logits: Tensor = self.net((x - self.mean) * self.scale)
        sharpened = logits.float() * self.sharpness
        return sharpened.sigmoid() if self.net.task == "multilabel" else sharpened.softmax(dim=1)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """`module` in evaluation mode inside the block; afterwards each of its parts is in the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """PyTorch on `threads` threads inside the block (0: as it is), then on as many as before.

    For measurements. Switching back can leave work on several threads slower than it was, so a program that only
    measures does better to start with the number that it wants.
    """
    before = torch.get_num_threads()
    if threads and threads != before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class TorchRunnable:
    """A copy of a Network, ready to run on the device that the Network was on."""

    shipped: Shipped
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    threads: int
    threshold: float | None = None
    task: Task = "classify"
    runtime: str = "torch"
    version: str = str(torch.__version__)

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """N x H x W x C pixels at the network's resolution -> N x classes probabilities."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.require(images, requirements="W")).to(self.shipped.mean.device)
            probabilities: NDArray[np.float32] = self.shipped(pixels).cpu().numpy()
        return probabilities


def load(net: Network, threads: int = 0) -> TorchRunnable:
    """The network as it is now, for inference: later training of `net` does not reach the copy that runs.

    `threads` is the process's number of PyTorch threads from now on (0: left as it is). It is only set when it
    differs: switching back and forth inside one process can halve the speed of work on several threads.
    """
    if threads and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    # A copy, because channels_last changes how weights lie in memory, which neither training nor saving expects.
    shipped = copy.deepcopy(Shipped(net)).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    return TorchRunnable(shipped, net.classes, net.preprocessing, threads, net.calibration.threshold, net.task)

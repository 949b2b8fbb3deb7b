"""What a network keeps for its backward pass: the activation memory of training, counted without doing any arithmetic.

The forward pass runs on PyTorch's meta device with every parameter trainable; autograd itself says, through
`torch.autograd.graph.saved_tensors_hooks`, which tensors it keeps.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pocketvision.measure.parts import parts

FEW, MORE = 2, 4  # images: BatchNorm needs several values per channel; two sizes tell what grows with the batch


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes kept for the backward pass at its peak, which is the end of the forward pass; float32.

    Each image of a batch adds `image_bytes`; `batch_bytes` (the batch's statistics in BatchNorm) are there once.
    `row_bytes` are what each part of `parts(net)` adds to `image_bytes`: a map that two rows keep counts where it is
    kept first. Parameters, buffers, gradients, an optimiser's state and scratch memory are not in it; nothing is
    recomputed.
    """

    image_bytes: int
    batch_bytes: int
    row_bytes: tuple[int, ...]

    def at(self, batch: int) -> int:
        """Bytes kept for `batch` images."""
        return batch * self.image_bytes + self.batch_bytes


def count_training(net: nn.Module, input_shape: Sequence[int] | None = None) -> TrainingMemory:
    """What `net` keeps of images of `input_shape` (C, H, W; None: the Network's own). `net` is not changed."""
    if input_shape is None:
        size: Any = net.preprocessing  # what every Network has
        input_shape = (size.channels, *size.resolution)
    with torch.inference_mode(False), torch.enable_grad():
        trained = _trainable(net)
        few, more = (_kept(trained, (images, *input_shape[-3:])) for images in (FEW, MORE))
    grows = [(after - before) // (MORE - FEW) for before, after in zip(few, more, strict=True)]
    return TrainingMemory(sum(grows), sum(few) - FEW * sum(grows), tuple(grows[:-1]))


def _trainable(net: nn.Module) -> nn.Module:
    """A copy in training mode on the meta device. No weight is copied."""
    memo: dict[int, Any] = {}
    for tensor in net.parameters():
        memo[id(tensor)] = nn.Parameter(torch.empty(tensor.shape, dtype=tensor.dtype, device="meta"))
    for buffer in net.buffers():
        memo[id(buffer)] = torch.empty(buffer.shape, dtype=buffer.dtype, device="meta")
    return copy.deepcopy(net, memo).train()


def _kept(net: nn.Module, shape: tuple[int, ...]) -> list[int]:
    """Bytes that are kept in each part of `net`, and last those outside of all."""
    rows = parts(net)
    kept = [0] * (len(rows) + 1)
    own = {_storage(tensor) for tensor in (*net.parameters(), *net.buffers())}
    seen: set[int] = set()
    alive: list[Tensor] = []  # so that no storage's address is used twice
    where = len(rows)

    def keep(tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
        if storage not in own and storage not in seen:
            seen.add(storage)
            kept[where] += tensor.untyped_storage().nbytes()
        alive.append(tensor)
        return tensor

    def enter(number: int) -> None:
        nonlocal where
        where = number

    hooks = []
    for number, part in enumerate(rows):
        hooks.append(part.module.register_forward_pre_hook(lambda module, inputs, number=number: enter(number)))
        hooks.append(part.module.register_forward_hook(lambda module, inputs, output: enter(len(rows))))
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            alive += [torch.empty(shape, device="meta")]
            alive += [net(alive[0])]
    finally:
        for hook in hooks:
            hook.remove()
    return kept


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata

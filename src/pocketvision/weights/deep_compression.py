"""The compressed SqueezeNet 1.0 that the authors of Deep Compression published (arXiv 1510.00149), decoded.

The format is that of `decode.py` in github.com/songhan/SqueezeNet-Deep-Compression, all little-endian. First one uint32
for each layer, in Caffe's order: how many entries it stores. Then layer by layer: a codebook of 256 float32, the biases
as float32, one byte for each entry (which of the codebook), and four bits for each entry, low half of the byte first:
how many weights are passed over before it. The first word of the codebook is zero: where more than 15 weights in a row
were pruned, an entry that holds it bridges the gap. (The paper's Huffman code is not in this file.)
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pocketvision.errors import InputError
from pocketvision.files import read_whole

CODEBOOK = 256  # words: all of SqueezeNet's layers are convolutions, which have eight bits; four bits are for others


def read(path: str | Path) -> dict[str, Tensor]:
    """`conv1.weight`, `conv1.bias`, `fire2/squeeze1x1.weight`, ... `conv10.bias`: float32, weights O x I x H x W.

    The network that they are of has a ReLU after every convolution, conv10 included. In the authors' prototxt conv10 is
    padded by 1 px, which other implementations leave out: the answers hardly change. InputError when the file is
    missing, cut off, too long, or not this format.
    """
    path = Path(path)
    data = read_whole(path)
    try:
        return _decode(data)
    except ValueError as error:
        raise InputError(
            f"{path} is damaged or not Deep Compression's SqueezeNet 1.0 ({error}); download it again"
        ) from None


def layers() -> dict[str, tuple[int, int, int, int]]:
    """The convolutions of SqueezeNet 1.0 in Caffe's order, each with its O, I, H, W (arXiv 1602.07360, table 1)."""
    found = {"conv1": (96, 3, 7, 7)}
    channels = 96
    for fire, (squeeze, expand) in enumerate(((16, 64), (32, 128), (48, 192), (64, 256)), 1):
        for name in (f"fire{2 * fire}", f"fire{2 * fire + 1}"):
            found[f"{name}/squeeze1x1"] = (squeeze, channels, 1, 1)
            found[f"{name}/expand1x1"] = (expand, squeeze, 1, 1)
            found[f"{name}/expand3x3"] = (expand, squeeze, 3, 3)
            channels = 2 * expand
    return found | {"conv10": (1000, channels, 1, 1)}


def _decode(data: bytes) -> dict[str, Tensor]:
    position = 0

    def take(count: int, kind: str) -> NDArray[np.generic]:
        nonlocal position
        size = count * np.dtype(kind).itemsize
        if size > len(data) - position:
            raise ValueError(f"it ends at byte {len(data):,}, in the middle of its content")
        position += size
        return np.frombuffer(data, kind, count, position - size)

    shapes = layers()
    tensors: dict[str, Tensor] = {}
    for (name, shape), stored in zip(shapes.items(), take(len(shapes), "<u4").tolist(), strict=True):
        codebook, bias = take(CODEBOOK, "<f4"), take(shape[0], "<f4")
        if codebook[0] != 0 or not np.isfinite(codebook).all() or not np.isfinite(bias).all():
            raise ValueError(f"the codebook or the biases of {name} make no sense")
        codes, halves = take(stored, "u1"), take((stored + 1) // 2, "u1").astype(np.int64)
        gaps = np.stack([halves & 15, halves >> 4], axis=1).ravel()[:stored]
        places = np.cumsum(gaps + 1) - 1
        if stored and places[-1] >= prod(shape):
            raise ValueError(f"{name} has {prod(shape):,} weights, the entries reach beyond them")
        weight = np.zeros(prod(shape), np.float32)
        weight[places] = codebook[codes]
        tensors[f"{name}.weight"] = torch.from_numpy(weight.reshape(shape))
        tensors[f"{name}.bias"] = torch.from_numpy(bias.astype(np.float32))
    if position != len(data):
        raise ValueError(f"it goes on for {len(data) - position:,} bytes after its last layer")
    return tensors

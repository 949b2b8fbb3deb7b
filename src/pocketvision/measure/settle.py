"""Networks that were never trained, made fit for the clock.

With the statistics that BatchNorm starts from, the activations of a fresh network fade from layer to layer until they
are denormal numbers or zeros, and those take another time than ordinary ones: a latency measured so is wrong.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from pocketvision.network import Network
from pocketvision.runtimes.torch import Shipped

IMAGES = 4  # BatchNorm needs several values per channel, also where a map is one pixel


def settled(net: Network) -> Network:
    """`net` itself if any BatchNorm in it has seen data, or if it has none; else a copy that has seen random pixels."""
    layers = [part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    if not layers or not all(_is_fresh(layer) for layer in layers):
        return net
    net = copy.deepcopy(net).eval()
    layers = [part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.train()
        layer.momentum = 1.0  # the running statistics become those of this batch
    size, generator = net.preprocessing, torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (IMAGES, *size.resolution, size.channels), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        Shipped(net)(pixels.to(next(net.parameters()).device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return net.eval()


def _is_fresh(layer: nn.modules.batchnorm._BatchNorm) -> bool:
    mean, var = layer.running_mean, layer.running_var
    return mean is not None and var is not None and not mean.any() and bool((var == 1).all())

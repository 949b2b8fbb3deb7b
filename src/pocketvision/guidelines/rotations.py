"""Weights that pass a signal on as it is, so that the answer of a deep stack can be checked.

Forty linear 1x1 convolutions with random weights, each followed by a BatchNorm, enlarge a rounding until two engines
that are both right answer differently (by more than the range of the answers). Rotations enlarge nothing, if BatchNorm
does not either: three colours in 64 channels leave some channels with next to no signal, and dividing each by its own
deviation enlarges what rounding left there. So all channels are divided by one number. Times depend on none of this.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pocketvision.network import Network
from pocketvision.runtimes.torch import Shipped


def rotate(net: nn.Module, seed: int = 0) -> None:
    """Give every 1x1 convolution in `net` orthogonal weights, each of its groups its own; in place."""
    generator = torch.Generator().manual_seed(seed)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            for group in layer.weight.data.chunk(layer.groups):  # out/groups x in/groups x 1 x 1
                nn.init.orthogonal_(group, generator=generator)


def scale(net: Network, pixels: NDArray[np.uint8]) -> None:
    """Have every BatchNorm in `net` give `pixels` a mean square of 1, over all channels together; in place.

    Or else what a fresh network computes fades away, to numbers that take another time than ordinary ones. The mean
    stays: it is all that the classifier's pooling leaves of linear layers.
    """

    def learn(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(layer, nn.BatchNorm2d) and layer.running_var is not None
        layer.running_var.fill_(float(inputs[0].square().mean()))

    hooks = [part.register_forward_pre_hook(learn) for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    with torch.no_grad():
        Shipped(net.eval())(torch.from_numpy(pixels))
    for hook in hooks:
        hook.remove()

"""PyTorch, eager, with every BatchNorm folded into the convolution before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from pocketvision.runtimes.torch import Shipped, TorchRunnable
from pocketvision.runtimes.torch import load as load_plain

if TYPE_CHECKING:
    from pocketvision.network import Network


def load(net: Network, threads: int = 0) -> TorchRunnable:
    """As `pocketvision.runtimes.torch.load`, folded."""
    runnable = load_plain(net, threads)
    fold(runnable.shipped)
    return replace(runnable, runtime="torch_folded")


def fold(shipped: Shipped) -> int:
    """Fold in place; how many. A BatchNorm that reads the very tensor which a convolution made is that convolution's.

    Found by running one image, so that it does not matter how a block is written. A BatchNorm elsewhere stays.
    """
    made: dict[int, tuple[nn.Conv2d, Any]] = {}  # with the tensor itself, so that its id is not given away again
    pairs: list[tuple[nn.Conv2d, nn.Module]] = []

    def after_convolution(module: nn.Module, inputs: Any, output: Any) -> None:
        assert isinstance(module, nn.Conv2d)
        made[id(output)] = module, output

    def before_norm(module: nn.Module, inputs: Any) -> None:
        if id(inputs[0]) in made:
            pairs.append((made.pop(id(inputs[0]))[0], module))

    hooks = []
    for module in shipped.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(before_norm))
    size = shipped.net.preprocessing
    with torch.no_grad():
        shipped(torch.zeros(1, *size.resolution, size.channels, dtype=torch.uint8, device=shipped.mean.device))
        for hook in hooks:
            hook.remove()
        for convolution, norm in pairs:
            _fold_pair(convolution, norm)
    _replace(shipped, {id(norm) for _, norm in pairs})
    return len(pairs)


def _fold_pair(convolution: nn.Conv2d, norm: nn.Module) -> None:
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    convolution.weight = nn.Parameter(weight.to(memory_format=torch.channels_last), requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)


def _replace(module: nn.Module, folded: set[int]) -> None:
    for name, child in module.named_children():
        if id(child) in folded:
            setattr(module, name, nn.Identity())
        else:
            _replace(child, folded)

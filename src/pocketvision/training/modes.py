"""Which parts of a network learn: frozen rows, frozen statistics, and statistics that must be quick."""

from __future__ import annotations

from torch import nn

from pocketvision.network import Network
from pocketvision.training.recipe import Recipe


def set_training(net: Network, recipe: Recipe) -> None:
    """Training mode. Frozen rows neither learn nor follow the data; with `frozen_bn` no BatchNorm follows it."""
    net.train()
    for row, module in enumerate(net.trunk):
        if row < recipe.freeze:
            module.eval().requires_grad_(False)
    if recipe.frozen_bn:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def quicken_statistics(net: nn.Module, steps: int) -> None:
    """BatchNorm must forget what it started from within a fraction of the run, also in a short one.

    MobileNetV3's momentum of 0.01 was made for 500,000 steps: after 200 its statistics would still be a mixture.
    """
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.momentum is not None:
            module.momentum = max(module.momentum, min(0.1, 20 / steps))

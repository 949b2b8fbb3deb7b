"""Does a network answer as the live module whose tensors it got? Tensors alone do not tell strides and activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pocketvision.errors import InputError
from pocketvision.network import Network
from pocketvision.units import counted, percent

SIDE = 224  # px: what every library's networks take
TOLERANCE = 1e-3  # of the largest logit; the same sums in another order differ by 1e-6


@torch.no_grad()
def answer_alike(net: Network, module: nn.Module, source: str) -> None:
    """Show both one random image. InputError when they answer differently; both are left in the mode they were in."""
    first = next(module.parameters())
    if first.dtype not in (torch.float32, torch.float64):
        return
    image = torch.randn(1, net.spec.channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    theirs = _evaluated(module, image.to(first))
    theirs = getattr(theirs, "logits", theirs)
    ours = _evaluated(net, image)
    if not isinstance(theirs, torch.Tensor) or theirs.shape != ours.shape:
        raise InputError(
            f"{source} does not answer with {counted(ours.shape[1], 'logit')}: it cannot become {net.spec.name}"
        )
    error = ((ours - theirs.to(ours)).abs().max() / theirs.abs().max()).item()
    if not error < TOLERANCE:
        raise InputError(
            f"{source} has the tensors of {net.spec.name} but answers differently, by {percent(error, 0)}: a "
            "variant (strides, "
            "activation, pooling) that pocketvision does not have"
        )


def _evaluated(module: nn.Module, image: torch.Tensor) -> Any:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        return module(image)
    finally:
        for part, mode in modes:
            part.training = mode

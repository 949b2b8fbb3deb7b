"""The running average of weights and statistics: what is evaluated and kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(net: nn.Module, horizon: float) -> AveragedModel:
    """Exponential average of weights and statistics over about `horizon` steps, shorter while it has seen few."""
    decay = 1 - 1 / max(1.0, horizon)

    def average(old: Sequence[Tensor], new: Sequence[Tensor], seen: Tensor | int) -> None:
        keep = min(decay, (1 + float(seen)) / (10 + float(seen)))
        # Groups of one type each come from AveragedModel: floats, and BatchNorm's counts of batches.
        if old[0].is_floating_point():
            torch._foreach_lerp_(list(old), list(new), 1 - keep)
        else:
            torch._foreach_copy_(list(old), list(new))

    return AveragedModel(net, multi_avg_fn=average, use_buffers=True)

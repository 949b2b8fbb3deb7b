"""Imbalanced classes: each drawn as often as any other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pocketvision.data.dataset import Sample


def class_weights(samples: Sequence[Sample], classes: int) -> Tensor:
    """For each sample the probability, up to a factor, that makes all classes equally likely."""
    labels = torch.tensor([sample.label for sample in samples])
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return 1.0 / counts[labels].double()

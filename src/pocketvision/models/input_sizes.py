"""The input sizes that a network's rows can take, for networks of a family and for any others."""

from __future__ import annotations

from dataclasses import replace

import torch

from pocketvision.models.families import MODELS
from pocketvision.models.family import Family
from pocketvision.network import build_meta
from pocketvision.spec import Spec, total_stride


def least_resolution(spec: Spec) -> int:
    """The smallest side of a square input, px, that the rows of `spec` can take."""
    family, least = _family(spec), total_stride(spec.trunk)
    if family is not None:
        return max(least, family.least)
    # Rows without padding need more than the strides tell. Whoever takes a size takes each larger one.
    high = max(least, min(spec.size))
    while least < high:
        middle = (least + high) // 2
        least, high = (least, middle) if _takes(spec, middle) else (middle + 1, high)
    return least


def usual_stride(spec: Spec) -> int:
    """Input pixels per position of the last map before any small-input stem: in the family's table, if there is one."""
    family = _family(spec)
    return total_stride(spec.trunk if family is None else family.trunk)


def _family(spec: Spec) -> Family | None:
    return None if spec.origin is None else MODELS.get(spec.origin.family)


def _takes(spec: Spec, side: int) -> bool:
    net = build_meta(replace(spec, resolution=side)).eval()
    try:
        found = net.trunk(torch.zeros(1, spec.channels, side, side, device="meta"))
    except RuntimeError:  # a kernel larger than its map
        return False
    return min(found.shape[2:]) > 0

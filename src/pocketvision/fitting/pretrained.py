"""The network that pretrained weights are of, as a line of candidates: its own rows at any resolution."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from pocketvision.measure.count_spec import count_spec
from pocketvision.models import base_name, create_spec, has_own_name, least_resolution, spec_of
from pocketvision.spec import Spec, total_stride
from pocketvision.weights import Weights

FULL = 224  # px: what ImageNet's photographs are shown at


@dataclass(frozen=True)
class Pretrained:
    """`at` a resolution (px) the network is a Spec, with the strides that its weights were trained with.

    `family` is what it is called without width and resolution, `table` the family of `models.MODELS` that it is of; a
    network with a name of its own has none.
    """

    family: str
    width: float
    table: str | None
    least: int  # px
    at: Callable[[int], Spec]

    @classmethod
    def of(cls, weights: Weights, classes: int, channels: int) -> Pretrained:
        """The network of `weights` with a head for so many classes, and so many input channels."""

        def at(resolution: int) -> Spec:
            return spec_of(weights, resolution, classes, channels)

        full = at(FULL)
        if full.origin is None or has_own_name(full):
            return cls(full.name, 1.0, None, least_resolution(full), at)
        return cls(base_name(full.origin), full.origin.width, full.origin.family, least_resolution(full), at)


def equivalent_width(spec: Spec) -> float:
    """The width of the MobileNetV2 with as many multiply-adds on maps of equal size.

    Nothing was published of a network that is in no table: MobileNetV2's figures speak for it.
    """
    like = create_spec("mobilenet_v2", resolution=FULL)
    ours, theirs = (count_spec(each).macs for each in (replace(spec, resolution=FULL), like))
    return total_stride(spec.trunk) / total_stride(like.trunk) * math.sqrt(ours / theirs)

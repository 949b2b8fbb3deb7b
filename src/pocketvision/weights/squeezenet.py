"""SqueezeNet as its authors published it, for Caffe: 1.0 and 1.1 by the names of Caffe's layers, BGR."""

from __future__ import annotations

from pocketvision.blocks import Fire
from pocketvision.spec import Spec
from pocketvision.weights.recognised import Looks, Pairs, Recognised, Tensors

# 0..255, less the mean of ImageNet's channels, not scaled. Resized to 256, cropped at 227.
CAFFE = Looks((123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3, share=227 / 256)
RESOLUTION = 227


def recognise(state: Tensors) -> Recognised | None:
    """SqueezeNet in Caffe's order, else None. Its first convolution sees BGR: turned round here."""
    if "conv10.weight" not in state or "fire2/squeeze1x1.weight" not in state:
        return None
    stem = state["conv1.weight"]
    family, full = ("squeezenet_1.0", 96) if stem.shape[2] == 7 else ("squeezenet_1.1", 64)
    tensors = {**state, "conv1.weight": stem.flip(1)}
    return Recognised(family, stem.shape[0] / full, names, "conv1", looks=CAFFE, resolution=RESOLUTION, tensors=tensors)


def names(spec: Spec) -> Pairs:
    yield "conv1", "trunk.0.conv"
    fires = (i for i, row in enumerate(spec.trunk) if isinstance(row, Fire))
    for number, i in enumerate(fires, 2):
        for part in ("squeeze1x1", "expand1x1", "expand3x3"):
            yield f"fire{number}/{part}", f"trunk.{i}.{part.replace('squeeze1x1', 'squeeze')}.conv"
    yield "conv10", "head.classifier"

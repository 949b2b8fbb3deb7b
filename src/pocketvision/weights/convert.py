"""Foreign tensors under our names: module by module, every one that is left over kept, to be reported."""

from __future__ import annotations

from torch import Tensor, zeros

from pocketvision.network import build_meta
from pocketvision.spec import Spec
from pocketvision.weights.recognised import Pairs, Tensors

COUNTER = "num_batches_tracked"  # of a BatchNorm: older files, and other frameworks, have none


def by_our_names(tensors: Tensors, pairs: Pairs, spec: Spec) -> dict[str, Tensor]:
    """`tensors` by the names of a network of `spec`. Dense layers become 1x1 convolutions, and the other way round."""
    left = dict(tensors)
    theirs = {ours: module for module, ours in pairs}
    found: dict[str, Tensor] = {}
    for name, wanted in build_meta(spec).state_dict().items():
        module, _, field = name.rpartition(".")
        key = f"{theirs[module]}.{field}" if module in theirs else None
        if key in left:
            found[name] = _shaped(left.pop(key), wanted)
        elif field == COUNTER and key is not None:
            found[name] = zeros((), dtype=wanted.dtype)
    return {**found, **left}


def _shaped(tensor: Tensor, wanted: Tensor) -> Tensor:
    """A matrix as a 1x1 convolution or back; anything else as it is."""
    if {tensor.ndim, wanted.ndim} == {2, 4} and tensor.numel() == tensor.shape[0] * tensor.shape[1]:
        return tensor.reshape(*tensor.shape[:2], 1, 1) if wanted.ndim == 4 else tensor.reshape(tensor.shape[:2])
    return tensor

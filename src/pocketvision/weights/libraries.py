"""The libraries whose networks are recognised by the names of their tensors, one file each."""

from __future__ import annotations

from collections.abc import Callable

from pocketvision.weights import pytorchcv, squeezenet, timm, torchvision, transformers
from pocketvision.weights.recognised import Recognised, Tensors

LIBRARIES: dict[str, Callable[[Tensors], Recognised | None]] = {
    "torchvision": torchvision.recognise,
    "timm": timm.recognise,
    "transformers": transformers.recognise,
    "pytorchcv": pytorchcv.recognise,
    "caffe": squeezenet.recognise,
}


def recognise(tensors: Tensors) -> Recognised | None:
    """The first library that knows these names; None when none does."""
    return next((found for ask in LIBRARIES.values() if (found := ask(tensors))), None)

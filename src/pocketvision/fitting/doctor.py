"""`doctor`: what is in a data set and what is wrong with it; and how a pretrained network helps to see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.arguments import as_annotated
from pocketvision.data.doctor import examine, refuse_unreadable
from pocketvision.data.embedding import EDGES_AND_COLOURS, unit
from pocketvision.data.look import Embedding
from pocketvision.data.sources import open_dataset
from pocketvision.fitting.allowance import affordable

if TYPE_CHECKING:
    from pocketvision.weights import Weights

SIDE = 224  # px, as the weights were trained
MOST = 2000  # images that a network embeds: it takes 20 to 50 ms each on one processor core
LEAST, SECONDS = 200, 60.0  # images that it embeds in any case; and how long it may take for more
PROBED = 8  # images that its speed is measured on
BATCH = 32


@as_annotated("data")
def doctor(
    data: str | Path, *, pretrained: str | Path | None = None, strict: bool = False, show: bool = True
) -> dict[str, Any]:
    """Look at every image in `data` once: `pocketvision.data.doctor.Examination.to_json`, which lists the keys.

    Labels are judged by edges and colours, or with `pretrained` (see `create_model`) by that network's
    features, which tell photographs apart far better. InputError for bad input, and with `strict` for images that
    cannot be read.
    """
    dataset = open_dataset(data)
    weights = None
    if pretrained:
        from pocketvision.weights import open_weights

        weights = open_weights(pretrained)
    seen = examine(dataset, embedding_of(weights), show)
    if strict:
        refuse_unreadable(seen, dataset.source)
    return seen.to_json()


def embedding_of(weights: Weights | None) -> Embedding:
    """The averaged last feature map of the network that `weights` are of; else edges and colours."""
    if weights is None or weights.channels != 3:
        return EDGES_AND_COLOURS
    import torch

    from pocketvision.models import build_with, spec_of
    from pocketvision.training.memory import keep_freed_memory

    keep_freed_memory()
    classes, channels = weights.classes or ("any",), weights.channels  # only the trunk is used
    net = (
        build_with(spec_of(weights, SIDE, len(classes), channels), classes, weights)
        .eval()
        .to(memory_format=torch.channels_last)
    )
    mean = torch.tensor(net.preprocessing.mean).view(1, 3, 1, 1) * 255
    std = torch.tensor(net.preprocessing.std).view(1, 3, 1, 1) * 255

    @torch.inference_mode()
    def pooled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        found = [net.trunk((batch.float() - mean) / std).mean(dim=(2, 3)) for batch in pixels.split(BATCH)]
        return unit(torch.cat(found).numpy())

    return Embedding(pooled, SIDE, _affordable(pooled), f"the features of {weights.family}")


def _affordable(embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> int:
    """How many images can be embedded in SECONDS on this machine, as busy as it is; LEAST to MOST."""
    noise = np.random.default_rng(0).integers(0, 256, (PROBED, SIDE, SIDE, 3), dtype=np.uint8)
    return max(LEAST, len(affordable(range(MOST), MOST, SECONDS, lambda few: embed(noise[: len(few)]))))

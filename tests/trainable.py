"""A tiny network with a row of every kind, and pictures in memory for it: what training is tried on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pocketvision.blocks import (
    Asymmetric,
    Bneck,
    Bottleneck,
    Conv,
    Excite,
    Fire,
    Flattened,
    MaxPool,
    Plain,
    Separable,
    Sepconv,
    ShuffleV1,
    ShuffleV2,
    Valid,
    Xblock,
)
from pocketvision.data import loader
from pocketvision.data.dataset import Dataset, Sample
from pocketvision.data.image import Preprocessing
from pocketvision.data.imagefile import ImageFile
from pocketvision.heads import Classifier
from pocketvision.heads.classifier import Dense
from pocketvision.network import Network, build
from pocketvision.spec import Conventions, Spec
from pocketvision.training import speed

EVERY_KIND = (
    Conv(3, 8, "relu", 2),
    Valid(3, 8, "relu6"),
    Plain(3, 8, "relu", 1, 1),
    MaxPool(3, 8),
    Separable(3, 8, "relu"),
    Bneck(3, 16, 8, 8, "hswish"),
    Fire(4, 4, 4),
    Bottleneck(4, 8, "relu"),
    Excite(8, 4),
    ShuffleV1(16, 2, "relu", 2, 1),
    ShuffleV2(3, 16, "relu"),
    Xblock((16, 16), "relu"),
    Sepconv(3, 8, "relu"),
    Flattened(3, 8, "relu"),
    Asymmetric(3, 8, "relu"),
)


def every_kind(channels: int, resolution: int = 32, momentum: float = 0.01) -> Network:
    """The same weights each time."""
    torch.manual_seed(0)
    head = Classifier(3, (Dense(8, "hswish"),), dropout=0.2)
    return build(Spec("every_kind", EVERY_KIND, head, resolution, channels, Conventions(bn_momentum=momentum)))


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """See `in_memory`."""
    return in_memory(monkeypatch)


def in_memory(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """10 pictures of 3 classes for training, 5 for validation, with the channels that the network asks for.

    They are made in memory: files hold 1, 3 or 4 channels.
    """

    def pixels(image: ImageFile, channels: int) -> np.ndarray:
        return np.random.default_rng(int(image.name)).integers(0, 256, (36, 40, channels), dtype=np.uint8)

    monkeypatch.setattr(speed, "MEASURED", 0.05)

    def view(image: ImageFile, p: Preprocessing) -> torch.Tensor:
        return torch.from_numpy(pixels(image, p.channels).transpose(2, 0, 1).copy())

    monkeypatch.setattr(loader, "training_view", view)
    monkeypatch.setattr(loader, "network_view", lambda image, p: view(image, p)[:, 2:34, 4:36].contiguous())
    samples = tuple(Sample(ImageFile(Path(str(i))), i % 3, str(i)) for i in range(15))
    return Dataset("pictures", "pictures", ("a", "b", "c"), {"train": samples[:10], "val": samples[10:]})

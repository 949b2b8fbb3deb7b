"""Images as batches for training and validation: decoded once, kept at the size that is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from pocketvision.data.dataset import Sample
from pocketvision.data.image import ImageFile, Preprocessing, decode, prepare
from pocketvision.data.reading import Skipped
from pocketvision.errors import InputError
from pocketvision.progress import Steps

CACHE_BYTES = 3 << 30  # decoded images beyond this are decoded again each epoch, by worker processes
DETAIL = 1.25  # training images are kept this much larger than the network's resize box, for crops to cut from


def training_view(image: ImageFile, preprocessing: Preprocessing) -> Tensor:
    """The whole image, uint8 C x h x w, shrunk (never enlarged) to just cover DETAIL x the resize box."""
    pixels = decode(image, preprocessing.channels)
    height, width = pixels.shape[:2]
    scale = max(DETAIL * box / side for box, side in zip(preprocessing.resize, (height, width), strict=True))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        planes = [
            np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
            for plane in np.moveaxis(pixels, 2, 0)
        ]
        return torch.from_numpy(np.stack(planes))
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def network_view(image: ImageFile, preprocessing: Preprocessing) -> Tensor:
    """Exactly what the network will be shown in use, uint8 C x H x W."""
    return torch.from_numpy(prepare(image, preprocessing).transpose(2, 0, 1).copy())


class Images(TorchDataset[tuple[Tensor, int]]):
    """Samples as (uint8 C x H x W, label), held in memory while they fit.

    Images that cannot be read (any more) are left out and named. When the others are not held in memory, that shows
    only while an epoch runs: the next image is then given in its place, with its own label.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        augment: Callable[[Tensor], Tensor] | None = None,
        label: str = "reading images",
        show: bool = True,
    ) -> None:
        self.samples, self.preprocessing, self.augment = samples, preprocessing, augment
        self.show = show
        self.view = network_view if augment is None else training_view
        height, width = preprocessing.resize
        self.cached = len(samples) * height * width * preprocessing.channels * DETAIL**2 < CACHE_BYTES
        self.lost = torch.zeros(len(samples), dtype=torch.bool).share_memory_()  # by the worker processes
        self.images: list[Tensor] = self._read(label, show) if self.cached else []

    def _read(self, label: str, show: bool) -> list[Tensor]:
        images: list[Tensor] = []
        read: list[Sample] = []
        skipped = Skipped()
        with ThreadPoolExecutor(os.cpu_count()) as pool, Steps(label, max(1, len(self.samples)), show) as steps:
            try:
                for number, (sample, image) in enumerate(
                    zip(self.samples, pool.map(self._view, self.samples), strict=True), 1
                ):
                    if isinstance(image, InputError):
                        skipped.add(image)
                    else:
                        images.append(image)
                        read.append(sample)
                    steps.done(number)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        skipped.say(len(self.samples), show)
        self.samples = read
        return images

    def _view(self, sample: Sample) -> Tensor | InputError:
        try:
            return self.view(sample.image, self.preprocessing)
        except InputError as error:
            return error

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self.cached:
            image, label = self.images[index], self.samples[index].label
        else:
            image, label = self._readable(index)
        return (self.augment(image) if self.augment else image), label

    def _readable(self, index: int) -> tuple[Tensor, int]:
        """The image at `index`, or the next one that can be read."""
        skipped = Skipped()
        for place in (*range(index, len(self)), *range(index)):
            image = self._view(self.samples[place])
            if not isinstance(image, InputError):
                skipped.say(len(self), self.show)
                return image, self.samples[place].label
            if not self.lost[place]:
                self.lost[place] = True
                skipped.add(image)
        raise InputError(f"none of the {len(self):,} images can be read any more: put them back")


class EpochShuffle(Sampler[int]):
    """A permutation drawn from (seed, epoch) alone, so that a resumed run sees the same order."""

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed, self.epoch = length, seed, 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.epoch))
        yield from torch.randperm(self.length, generator=generator).tolist()


def epoch_seed(seed: int, epoch: int) -> int:
    """One number for all randomness of an epoch."""
    return (seed * 1_000_003 + epoch * 7919 + 12345) % (1 << 31)


def batches(images: Images, batch: int, sampler: EpochShuffle | None = None) -> DataLoader[tuple[Tensor, int]]:
    """Shuffled with a sampler (a last batch of one image is dropped: BatchNorm needs two), else in order."""
    drop_last = sampler is not None and len(images) > batch and len(images) % batch == 1
    workers = 0 if images.cached else (os.cpu_count() or 1)
    return DataLoader(images, batch, sampler=sampler, drop_last=drop_last, num_workers=workers)

"""Images as batches for training and validation: decoded once, kept at the size that is needed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from pocketvision.data.augment import Augmentation
from pocketvision.data.dataset import Sample
from pocketvision.data.image import ImageFile, Preprocessing, decoded, prepare
from pocketvision.data.reading import Skipped
from pocketvision.errors import InputError
from pocketvision.progress import Steps
from pocketvision.units import counted

CACHE_BYTES = 3 << 30  # decoded images beyond this are decoded again each epoch, by worker processes
DETAIL = 1.25  # training images are kept this much larger than the network's resize box, for crops to cut from


def training_view(image: ImageFile, preprocessing: Preprocessing) -> Tensor:
    """The whole image, uint8 C x h x w, shrunk (never enlarged) to just cover DETAIL x the resize box."""
    pixels = decoded(image, preprocessing.channels)
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


class Key(NamedTuple):
    """What a sampler asks for: number `image`, as epoch `epoch` sees it, `side` px (height, width) large."""

    image: int
    epoch: int
    side: tuple[int, int]


class Images(TorchDataset[tuple[Tensor, int]]):
    """Samples as (uint8 C x H x W, label), held in memory while they fit.

    They are not where reading all of them would take more than `seconds`. With an `augmentation`, asked by Key: the
    random view depends on (seed, epoch, index) alone, whoever computes it and in whatever order. Without, asked by
    index: what the network is shown in use.

    Images that cannot be read (any more) are left out and named. When the others are not held in memory, that shows
    only while an epoch runs: the next image is then given in its place, with its own label.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        label: str = "reading images",
        show: bool = True,
        seconds: float | None = None,
    ) -> None:
        self.samples, self.preprocessing = samples, preprocessing
        self.augmentation, self.seed, self.show = augmentation, seed, show
        self.view = network_view if augmentation is None else training_view
        self.built: dict[tuple[int, int], Callable[[Tensor], Tensor]] = {}
        height, width = preprocessing.resize
        self.cached = len(samples) * height * width * preprocessing.channels * DETAIL**2 < CACHE_BYTES
        self.lost = torch.zeros(len(samples), dtype=torch.bool).share_memory_()  # by the worker processes
        self.images: list[Tensor] = self._read(label, show, seconds) if self.cached else []

    def _read(self, label: str, show: bool, most: float | None) -> list[Tensor]:
        """All images; none where they would take more than `most` seconds: they are then read when they are needed."""
        began = time.monotonic()
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
                    taken = time.monotonic() - began
                    if most is not None and taken > most / 4 and taken * len(self.samples) > most * number:
                        pool.shutdown(cancel_futures=True)
                        self.cached = False
                        return []
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

    def __getitem__(self, key: Key | int) -> tuple[Tensor, int]:
        index = key if isinstance(key, int) else key.image
        if self.cached:
            image, label = self.images[index], self.samples[index].label
        else:
            image, label = self._readable(index)
        if self.augmentation and isinstance(key, Key):
            # Not torch.manual_seed: it takes as long as the transforms, because it asks every device.
            torch.default_generator.manual_seed(mixed(self.seed, key.epoch, index))
            image = self._augment(key.side)(image)
        return image, label

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
        raise InputError(f"none of {counted(len(self), 'image')} can be read any more: put them back")

    def _augment(self, side: tuple[int, int]) -> Callable[[Tensor], Tensor]:
        if side not in self.built:
            assert self.augmentation is not None
            self.built[side] = self.augmentation.build(side, self.preprocessing.channels)
        return self.built[side]


class EpochSampler(Sampler[Key]):
    """The order of an epoch, drawn from (seed, epoch) alone, so that a resumed run sees the same.

    With `weights` (one for each image) as many are drawn with replacement, in proportion to them. `start` batches of
    `batch` images are left out: an earlier process had them. `side_at(epoch, batch)` is the images' height and width.
    With `whole` the last batch is filled up with the epoch's first images: several processes share each.
    """

    def __init__(
        self,
        length: int,
        batch: int,
        seed: int,
        side: tuple[int, int],
        weights: Tensor | None = None,
        whole: bool = False,
    ) -> None:
        self.length, self.batch, self.seed, self.weights = length, batch, seed, weights
        self.filling = -length % batch if whole else 0
        self.epoch = self.start = 0
        self.side_at: Callable[[int, int], tuple[int, int]] = lambda *_: side

    def __len__(self) -> int:
        return self.length + self.filling

    def __iter__(self) -> Iterator[Key]:
        generator = torch.Generator().manual_seed(mixed(self.seed, self.epoch))
        if self.weights is None:
            order = torch.randperm(self.length, generator=generator)
        else:
            order = torch.multinomial(self.weights, self.length, replacement=True, generator=generator)
        order = torch.cat([order, order[: self.filling]])
        epoch = self.epoch
        for number, images in enumerate(order.split(self.batch)[self.start :], self.start):
            side = self.side_at(epoch, number)
            yield from (Key(image, epoch, side) for image in images.tolist())


def mixed(*numbers: int) -> int:
    """One seed of 63 bits for any integers, far from those of their neighbours."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def stop_workers(loader: DataLoader[Any]) -> None:
    """End the worker processes of `loader` now; it starts others when it is read again.

    Left to the garbage collector that happens some time within other work, which then waits for them for seconds.
    """
    loader._iterator = None


def batches(
    images: Images, batch: int, sampler: EpochSampler | None = None, only: Sequence[int] | None = None
) -> DataLoader[tuple[Tensor, int]]:
    """Shuffled with a sampler (a last batch of one image is dropped: BatchNorm needs two), else in order.

    Without a sampler `only` some, by their numbers.

    Random views are made in worker processes, one thread each: many small operations gain nothing from more.
    """
    drop_last = sampler is not None and len(sampler) > batch and len(sampler) % batch == 1
    workers = (os.cpu_count() or 1) if not images.cached else 0 if sampler is None else 1
    return DataLoader(
        images, batch, sampler=sampler or only, drop_last=drop_last, num_workers=workers, persistent_workers=workers > 0
    )

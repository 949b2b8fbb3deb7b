"""An experiment's networks in a runtime, timed in rounds that can be compared one by one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pocketvision.guidelines.experiment import Experiment
from pocketvision.measure.bench import random_pixels
from pocketvision.measure.count import count
from pocketvision.measure.latency import Call, time_interleaved
from pocketvision.measure.pin import pinned
from pocketvision.measure.settle import settled
from pocketvision.network import build
from pocketvision.runtimes import get_runtime

if TYPE_CHECKING:
    from pocketvision.network import Network

ROUNDS = 7  # of one batch: sessions are opened anew for each, so that no verdict rests on where one of them lay


@dataclass(frozen=True)
class Ready:
    """One network, exported: what its runtime opens, the pixels it gets, what PyTorch answers to them, its cost."""

    source: Path | Network
    pixels: NDArray[np.uint8]
    expected: NDArray[np.float32]
    macs: int


@dataclass
class Times:
    """What is known of an experiment so far. Keys are (label of the variant, column's index)."""

    ready: dict[tuple[str, int], Ready]
    ms: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # a median for each round
    max_error: float = 0.0  # the largest difference from PyTorch's probabilities, as a share of their range
    version: str = ""
    seconds: float = 0.0  # that the last batch took
    batches: int = 0


def prepare(experiment: Experiment, runtime: str, folder: Path) -> Times:
    """Build and export every network of the experiment. Runs PyTorch, so call it outside `pinned`."""
    from pocketvision.runtimes import torch as reference

    ready: dict[tuple[str, int], Ready] = {}
    for variant in experiment.variants:
        for column, spec in enumerate(variant.specs):
            net = settled(build(spec).eval())
            pixels, macs = random_pixels(net.preprocessing), count(net).macs
            expected = reference.load(net).run(pixels)
            source = _exported(net, runtime, folder / f"{experiment.name}-{len(ready)}", macs)
            ready[variant.label, column] = Ready(source, pixels, expected, macs)
    return Times(ready, {key: [] for key in ready})


def _exported(net: Network, runtime: str, stem: Path, macs: int) -> Path | Network:
    """What the runtime's `load` takes: its file, or the Network."""
    module = get_runtime(runtime)
    if not hasattr(module, "convert"):
        return net
    exported: Path = module.convert(net, stem.with_suffix(f".{runtime}"), macs)
    return exported


def measure(times: Times, runtime: str, threads: int) -> None:
    """One batch of rounds more. A column's variants take turns: what is compared is timed within milliseconds.

    Sessions are opened on the CPUs that they are timed on. Their answers are checked before their time counts.
    """
    module, started = get_runtime(runtime), time.monotonic()
    with pinned(threads):
        for column in sorted({column for _, column in times.ready}):
            keys = [key for key in times.ready if key[1] == column]
            recorders = {}
            for key in keys:
                ready = times.ready[key]
                runnable = module.load(ready.source, threads)
                times.version = runnable.version
                error = np.abs(runnable.run(ready.pixels) - ready.expected).max() / np.ptp(ready.expected)
                times.max_error = max(times.max_error, float(error))
                recorders[key[0]] = Recorder(partial(runnable.run, ready.pixels))
            seed = 1000 * times.batches + column
            taken = time_interleaved(recorders, threads, ROUNDS, warmup=0.02, seed=seed)
            for key in keys:
                recorder, latency = recorders[key[0]], taken[key[0]]
                times.ms[key] += recorder.rounds(latency.rounds, latency.calls)
    times.batches += 1
    times.seconds = time.monotonic() - started


class Recorder:
    """A call that notes how long each of its runs took, because `time_interleaved` sums up over rounds."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.taken: list[float] = []

    def __call__(self) -> object:
        start = time.perf_counter()
        answer = self.call()
        self.taken.append(time.perf_counter() - start)
        return answer

    def rounds(self, rounds: int, calls: int) -> list[float]:
        """The median of each round, ms. `calls` are the counted ones of all rounds; each has one more, its first."""
        turn = calls // rounds + 1
        turns = self.taken[-rounds * turn :]
        return [median(turns[i * turn + 1 : (i + 1) * turn]) * 1e3 for i in range(rounds)]

"""An experiment's networks in a runtime, timed in rounds that can be compared one by one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pocketvision.guidelines.experiment import Experiment
from pocketvision.guidelines.rotations import rotate, scale
from pocketvision.measure.calls import Call
from pocketvision.measure.count import count
from pocketvision.measure.latency import take_rounds
from pocketvision.measure.outcome import judge
from pocketvision.measure.pin import pinned
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.quiet import turn_seconds
from pocketvision.network import build
from pocketvision.runtimes import get_runtime
from pocketvision.units import percent

if TYPE_CHECKING:
    from pocketvision.network import Network

ROUNDS = 3  # of one batch: what they share (where the memory of a session lies) more of them do not tell
WARMUP = 0.02  # s

Key = tuple[str, int]  # label of the variant, index of the column


@dataclass(frozen=True)
class Ready:
    """One network, exported: what its runtime opens, the pixels it gets, what PyTorch answers to them, its cost."""

    source: Path | Network
    pixels: NDArray[np.uint8]
    expected: NDArray[np.float32]
    macs: int


@dataclass
class Times:
    """What is known of an experiment so far. A network whose answer was wrong once is in `wrong`, not in `ms`."""

    ready: dict[Key, Ready]
    ms: dict[Key, list[list[float]]] = field(default_factory=dict)  # by batch and round, the median of a turn
    wrong: dict[Key, str] = field(default_factory=dict)  # the reason, in words
    max_error: float = 0.0  # the largest difference from PyTorch's probabilities among the others, in their range
    version: str = ""
    seconds: float = 0.0  # that the last batch took
    batches: int = 0


def prepare(experiment: Experiment, runtime: str, folder: Path) -> Times:
    """Build and export every network of the experiment. Runs PyTorch, so call it outside `pinned`."""
    from pocketvision.runtimes import torch as reference

    ready: dict[Key, Ready] = {}
    for variant in experiment.variants:
        for column, spec in enumerate(variant.specs):
            net = build(spec).eval()
            pixels, macs = random_pixels(net.preprocessing), count(net).macs
            rotate(net)
            scale(net, pixels)
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

    Sessions are opened anew, on the CPUs that they are timed on. An answer is checked before its time counts.
    """
    module, started = get_runtime(runtime), time.monotonic()
    with pinned(threads):
        for column in sorted({column for _, column in times.ready}):
            calls: dict[str, Call] = {}
            for key in [key for key in times.ready if key[1] == column and key not in times.wrong]:
                runnable = module.load(times.ready[key].source, threads)
                times.version = runnable.version
                if is_right(times, key, runnable.run(times.ready[key].pixels)):
                    calls[key[0]] = partial(runnable.run, times.ready[key].pixels)
            seed = 1000 * times.batches + column
            for label, rounds in take_rounds(calls, threads, ROUNDS, warmup=WARMUP, seed=seed).items():
                times.ms[label, column].append([1e3 * turn_seconds(turn) for turn in rounds])
    times.batches += 1
    times.seconds = time.monotonic() - started


def is_right(times: Times, key: Key, answer: NDArray[np.float32]) -> bool:
    """Whether the network's answer is PyTorch's; if not, it has no times any more, but a reason."""
    expected = times.ready[key].expected
    error, wrong = judge(answer, expected)
    comparable = np.isfinite(error) and np.isfinite(answer).all()
    share = error / max(float(np.ptp(expected)), float(np.finfo(np.float32).tiny))
    if comparable and not wrong:
        times.max_error = max(times.max_error, share)
        return True
    off = (
        f"off by {percent(share, 0)} of the range of PyTorch's" if comparable else "NaN, infinite, or of another shape"
    )
    times.wrong[key] = f"the answer is wrong ({off})"
    del times.ms[key]
    return False

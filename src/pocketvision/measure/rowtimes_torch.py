"""The time of each row of a network in PyTorch: hooks before and after it."""

from __future__ import annotations

import time
from functools import partial

from pocketvision.measure.parts import parts
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.rowtimes import PIXELS, Run
from pocketvision.network import Network
from pocketvision.runtimes import torch as runtime


class Hooked:
    """A `rowtimes.Clocked` network: what is no row's time is the pixels' part."""

    def __init__(self, net: Network, threads: int, seed: int) -> None:
        self.runs: list[Run] = []
        self.started = 0.0
        self.runnable = runtime.load(net, threads)
        self.pixels = random_pixels(net.preprocessing, 1, seed)
        found = parts(self.runnable.shipped.net)
        self.names = [part.row for part in found]
        for part in found:
            part.module.register_forward_pre_hook(self._start)
            part.module.register_forward_hook(partial(self._stop, part.row))

    def _start(self, module: object, inputs: object) -> None:
        self.started = time.perf_counter()

    def _stop(self, name: int | str, module: object, inputs: object, output: object) -> None:
        self.runs[-1][name] = time.perf_counter() - self.started

    def run(self) -> object:
        self.runs.append({})
        began = time.perf_counter()
        answer = self.runnable.run(self.pixels)
        whole = time.perf_counter() - began
        self.runs[-1][PIXELS] = whole - sum(self.runs[-1].values())
        return answer

    def finish(self) -> tuple[list[Run], dict[int | str, int]]:
        return self.runs, dict.fromkeys([PIXELS, *self.names], 1)

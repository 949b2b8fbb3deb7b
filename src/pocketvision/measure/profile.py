"""Where a network's parameters, multiply-adds and milliseconds are: by row of its table and by kind of operation."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from statistics import median
from typing import Any

import torch
from torch import nn

from pocketvision.measure.count import Costs, count
from pocketvision.measure.latency import time_interleaved
from pocketvision.measure.parts import KINDS, kind_of, leaves, parts
from pocketvision.measure.settle import settled
from pocketvision.network import Network
from pocketvision.runtimes.torch import thread_count


def profile(net: Network, rounds: int = 15) -> dict[str, Any]:
    """Costs counted, and times measured in PyTorch (eager, channels_last, one thread, one image).

    `{params, macs, mac_bytes, peak_activation_bytes, ms, ms_interval, runtime, threads, rows: [{row, kind, input,
    output, params, macs, mac_bytes, ms}], kinds: {pointwise: {params, macs, mac_bytes, ms, share_params, share_macs,
    share_ms}, depthwise: ...}}`.
    Row and leaf times are medians, taken by hooks in runs of their own. "elementwise" is the time of a row that none of
    its leaf modules accounts for: additions, gates, and Python between the operations.
    """
    costs = count(net)
    with thread_count(1), torch.inference_mode():
        plain = copy.deepcopy(settled(net)).eval().to(memory_format=torch.channels_last)
        by_row, by_leaf = _shared_copy(plain), _shared_copy(plain)
        row_clock = _Clock(part.module for part in parts(by_row))
        leaf_clock = _Clock(leaves(by_leaf))
        image = torch.randn(1, *costs.rows[0].input, generator=torch.Generator().manual_seed(0))
        image = image.to(next(plain.parameters()).device, memory_format=torch.channels_last)
        calls: dict[str, Callable[[], object]] = {
            "network": lambda: plain(image),
            "rows": lambda: row_clock.run(by_row, image),
            "leaves": lambda: leaf_clock.run(by_leaf, image),
        }
        whole = time_interleaved(calls, threads=1, rounds=rounds)["network"]
    row_ms, kind_ms = [], dict.fromkeys(KINDS, 0.0)
    for row, part in zip(parts(by_row), parts(by_leaf), strict=True):
        row_ms.append(row_clock.ms(row.module))
        remains = row_ms[-1]
        for leaf in leaves(part.module):
            kind_ms[kind_of(leaf)] += leaf_clock.ms(leaf)
            remains -= leaf_clock.ms(leaf)
        kind_ms["elementwise"] += max(0.0, remains)
    return {
        "params": costs.params,
        "macs": costs.macs,
        "mac_bytes": costs.mac_bytes,
        "peak_activation_bytes": costs.peak_activation_bytes,
        "ms": whole.median_ms,
        "ms_interval": [whole.low_ms, whole.high_ms],
        "runtime": "torch",
        "threads": 1,
        "rows": [_row(costs, number, ms) for number, ms in enumerate(row_ms)],
        "kinds": {kind: _kind(costs, kind, kind_ms) for kind in KINDS},
    }


def _row(costs: Costs, number: int, ms: float) -> dict[str, Any]:
    row = costs.rows[number]
    return {
        "row": row.row,
        "kind": row.kind,
        "input": list(row.input),
        "output": list(row.output),
        "params": row.params,
        "macs": row.macs,
        "mac_bytes": row.mac_bytes,
        "ms": ms,
    }


def _kind(costs: Costs, kind: str, kind_ms: dict[str, float]) -> dict[str, Any]:
    amount = costs.kinds[kind]
    return {
        "params": amount.params,
        "macs": amount.macs,
        "mac_bytes": amount.mac_bytes,
        "ms": kind_ms[kind],
        "share_params": amount.params / max(1, costs.params),
        "share_macs": amount.macs / max(1, costs.macs),
        "share_ms": kind_ms[kind] / sum(kind_ms.values()),
    }


def _shared_copy(net: nn.Module) -> nn.Module:
    """The same modules anew, for hooks of their own, on the very same weights."""
    return copy.deepcopy(net, {id(tensor): tensor for tensor in chain(net.parameters(), net.buffers())})


class _Clock:
    """Times every call of some modules by a hook before and one after."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self.runs = 0
        self.times: dict[nn.Module, list[float]] = defaultdict(list)
        self._started: dict[nn.Module, float] = {}
        for module in modules:
            module.register_forward_pre_hook(self._start)
            module.register_forward_hook(self._stop)

    def _start(self, module: nn.Module, inputs: Any) -> None:
        self._started[module] = time.perf_counter()

    def _stop(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.times[module].append(time.perf_counter() - self._started[module])

    def run(self, net: nn.Module, image: torch.Tensor) -> None:
        self.runs += 1
        net(image)

    def ms(self, module: nn.Module) -> float:
        """Time of one run of the network in this module, ms: the median call times the calls in a run."""
        taken = self.times[module]
        return median(taken) * len(taken) / self.runs * 1e3 if taken else 0.0

"""The time of every row and module in PyTorch, by hooks, beside the whole network's without them."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pocketvision.blocks.squeeze_excite import SqueezeExcite
from pocketvision.measure.latency import summarise, take_rounds
from pocketvision.measure.parts import kind_of, parts
from pocketvision.measure.quiet import Rounds
from pocketvision.measure.spent import Operation, Spent, usual_runs
from pocketvision.network import Network
from pocketvision.runtimes.torch import thread_count

Key = TypeVar("Key")

# Functions that only move numbers about, called outside of any leaf module.
SHUFFLES = (
    "cat concat stack chunk split reshape view transpose permute flatten __getitem__ contiguous pad unsqueeze squeeze"
).split()
HOW = (
    "means of hooks before and after each row and each module in it, over the middle half of calls of their own, "
    "eager, channels_last; what of a row no module accounts for (additions, gates, Python between the operations) "
    "counts as elementwise"
)


def spend(net: Network, threads: int = 1, rounds: int = 15) -> Spent:
    """Time `net`, whole, by row and by module, on `threads` threads and one image that is normalised already."""
    with thread_count(threads), torch.inference_mode():
        plain = copy.deepcopy(net).eval().to(memory_format=torch.channels_last)
        by_row, by_leaf, by_call = (_shared_copy(plain) for _ in range(3))
        row_clock = _Clock(part.module for part in parts(by_row))
        leaf_clock = _Clock(module for module in by_leaf.modules() if not any(module.children()))
        moves = _Moves([part.module for part in parts(by_call)])
        size = net.preprocessing
        image = torch.randn(1, size.channels, *size.resolution, generator=torch.Generator().manual_seed(0))
        image = image.to(next(plain.parameters()).device, memory_format=torch.channels_last)
        calls: dict[str, Callable[[], object]] = {
            "network": lambda: plain(image),
            "rows": lambda: row_clock.run(by_row, image),
            "leaves": lambda: leaf_clock.run(by_leaf, image),
            "calls": lambda: moves.run(by_call, image),
        }
        # OpenMP starts its helpers now, on all CPUs: those that start while pinned stay there for the process's life.
        plain(image)
        taken = take_rounds(calls, threads, rounds)
    row_ms, leaf_ms = row_clock.usual(taken["rows"]), leaf_clock.usual(taken["leaves"])
    moved_ms = moves.usual(taken["calls"])
    operations: list[Operation] = []
    for number, (row, part) in enumerate(zip(parts(by_row), parts(by_leaf), strict=True)):
        inside = [*_leaves_of(part.row, part.module, leaf_ms)]
        remains = max(0.0, row_ms[row.module] - sum(operation.ms for operation in inside))
        moved = min(remains, moved_ms.get(number, 0.0))
        rest = [(kind, ms) for kind, ms in (("shuffle", moved), ("elementwise", remains - moved)) if ms > 0]
        operations += [*inside, *(Operation(part.row, "", kind, ms, "between the modules") for kind, ms in rest)]
    return Spent(summarise(taken["network"]), tuple(operations), str(torch.__version__), HOW)


def _leaves_of(row: int | str, module: nn.Module, leaf_ms: Mapping[nn.Module, float]) -> Iterable[Operation]:
    """One operation for each leaf inside a row that ran."""
    names = dict(module.named_modules())
    excited = [name for name, inner in names.items() if isinstance(inner, SqueezeExcite)]
    for name, leaf in names.items():
        if any(leaf.children()) or not leaf_ms.get(leaf):
            continue
        kernel = leaf.kernel_size if isinstance(leaf, nn.Conv2d) else ()
        squeeze = any(name == outer or name.startswith(f"{outer}.") or not outer for outer in excited)
        yield Operation(row, name, kind_of(leaf), leaf_ms[leaf], type(leaf).__name__, tuple(kernel), squeeze)


def _shared_copy(net: nn.Module) -> nn.Module:
    """The same modules anew, for hooks of their own, on the very same weights."""
    return copy.deepcopy(net, {id(tensor): tensor for tensor in chain(net.parameters(), net.buffers())})


class _Runs(Generic[Key]):
    """Seconds by key, run by run."""

    def __init__(self) -> None:
        self.runs: list[defaultdict[Key, float]] = []

    def usual(self, rounds: Rounds) -> dict[Key, float]:
        """ms of each key in a usual one of the calls that were timed as `rounds`."""
        kept, average = usual_runs(self.runs, rounds, lambda run: sum(run.values()))
        return {key: 1e3 * average(run[key] for run in kept) for key in kept[0]}


class _Clock(_Runs[nn.Module]):
    """Times every call of some modules by a hook before and one after."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self._started: dict[nn.Module, float] = {}
        for module in modules:
            module.register_forward_pre_hook(self._start)
            module.register_forward_hook(self._stop)

    def _start(self, module: nn.Module, inputs: Any) -> None:
        self._started[module] = time.perf_counter()

    def _stop(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.runs[-1][module] += time.perf_counter() - self._started[module]

    def run(self, net: nn.Module, image: torch.Tensor) -> None:
        self.runs.append(defaultdict(float))
        net(image)


class _Moves(TorchFunctionMode, _Runs[int]):
    """Times the calls of SHUFFLES that a network's forward functions make, by row."""

    def __init__(self, rows: list[nn.Module]) -> None:
        super().__init__()
        self.runs = []
        self._row: int | None = None
        for number, row in enumerate(rows):
            row.register_forward_pre_hook(lambda module, inputs, number=number: self._enter(number))
            row.register_forward_hook(lambda module, inputs, output: self._enter(None))

    def _enter(self, row: int | None) -> None:
        self._row = row

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") not in SHUFFLES or self._row is None:
            return func(*args, **(kwargs or {}))
        start = time.perf_counter()
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.runs[-1][self._row] += time.perf_counter() - start

    def run(self, net: nn.Module, image: torch.Tensor) -> None:
        self.runs.append(defaultdict(float))
        with self:
            net(image)

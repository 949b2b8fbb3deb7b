"""Networks against each other, and runtimes against each other, in one interleaved measurement on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.image import Preprocessing
from pocketvision.errors import InputError
from pocketvision.measure.latency import time_interleaved
from pocketvision.measure.machine import machine, sgemm_gflops
from pocketvision.measure.pin import pinned
from pocketvision.runtimes import SUFFIXES, Runnable, get_runtime, installed_runtimes
from pocketvision.runtimes.cores import usable_cores
from pocketvision.runtimes.predictor import Exported

if TYPE_CHECKING:
    from pocketvision.network import Network

Model = Union["Network", Exported, str, Path]
FILES = (str, Path, Exported)  # the models that are exported files; the others are Networks


@dataclass(frozen=True)
class _Entry:
    """One model in one runtime: how to open it, its costs, and what PyTorch answers (None: nobody to ask)."""

    model: str
    open: Callable[[], Runnable]
    params: int | None = None
    macs: int | None = None
    expected: NDArray[np.float32] | None = None


def bench(
    models: Model | Iterable[Model] | Mapping[str, Model],
    runtime: str = "onnxruntime",
    threads: int = 1,
    batch: int = 1,
    rounds: int = 15,
    seconds: float = 0.005,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Time Networks and exported files (paths, or loaded) in turn, `batch` images a call.

    `threads` 0 means all cores. `runtime` is a name in RUNTIMES or "all"; exported files run in their own. Networks are
    exported to a temporary folder first, those that were never trained with sane BatchNorm statistics. A mapping names
    the models. For `rounds`, `seconds`, `narrow`, `limit` and `seed` see `time_interleaved`.

    One dict for each model and runtime: `{model, runtime, threads, batch, precision, median_ms, p10_ms, p90_ms, low_ms,
    high_ms, rounds, calls, ratio_to_fastest, fraction_of_peak, max_error, version, params, macs}`. `ratio_to_fastest`:
    to the fastest of this list; `fraction_of_peak`: 2 * macs * batch / median over what sgemm reaches on these threads;
    `max_error`: the largest difference of a probability from PyTorch's on random pixels, None for exported files.
    InputError for no models, an unknown runtime, and a file that its runtime cannot open.
    """
    if threads < 0 or batch < 1:
        raise InputError(f"cannot time {threads} threads and a batch of {batch}: give at least 0 (all cores) and 1")
    if runtime != "all":
        get_runtime(runtime)
    threads = threads or usable_cores()
    everyone = named(models)
    entries: list[_Entry] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pocketvision-")))
        # Whatever runs PyTorch comes before the pin: a thread pool that it starts would stay on the pinned cores.
        for name, model in everyone.items():
            if isinstance(model, FILES):
                entries.append(_file_entry(name, model, runtime, threads))
                continue
            pixels = random_pixels(model.preprocessing, batch, seed)
            entries += _network_entries(name, model, runtime, threads, pixels, folder / str(len(entries)))
        if not all(isinstance(model, FILES) for model in everyone.values()):
            from pocketvision.runtimes.torch import thread_count

            stack.enter_context(
                thread_count(0)
            )  # opening a network in PyTorch sets the number of threads: undone at the end
        with pinned(threads):
            opened = [entry.open() for entry in entries]
            inputs = [random_pixels(runnable.preprocessing, batch, seed) for runnable in opened]
            runs = [partial(runnable.run, pixels) for runnable, pixels in zip(opened, inputs, strict=True)]
            answers = [run() for run in runs]
            calls = {str(number): run for number, run in enumerate(runs)}
            taken = time_interleaved(calls, threads, rounds, seconds, narrow=narrow, limit=limit, seed=seed)
    peak = sgemm_gflops(threads)
    fastest = min(latency.median_ms for latency in taken.values())
    results = []
    for entry, runnable, found, latency in zip(entries, opened, answers, taken.values(), strict=True):
        info = getattr(runnable, "info", {})
        macs = entry.macs or info.get("macs")
        gflops = 2 * macs * batch / latency.median_ms / 1e6 if macs else None
        results.append(
            {
                "model": entry.model,
                "runtime": runnable.runtime,
                "threads": threads,
                "batch": batch,
                "precision": "fp32",
                **latency.to_json(),
                "ratio_to_fastest": latency.median_ms / fastest,
                "fraction_of_peak": gflops / peak if gflops and peak else None,
                "max_error": None if entry.expected is None else float(np.abs(found - entry.expected).max()),
                "version": runnable.version,
                "params": entry.params or info.get("params"),
                "macs": macs,
            }
        )
    return results


def bench_report(models: Model | Iterable[Model] | Mapping[str, Model], **options: Any) -> dict[str, Any]:
    """`{results, machine, sgemm_gflops}`: what `bench` returns, beside the machine that it was measured on."""
    results = bench(models, **options)
    return {"results": results, "machine": machine(), "sgemm_gflops": sgemm_gflops(results[0]["threads"])}


def random_pixels(preprocessing: Preprocessing, batch: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """`batch` x H x W x C uniform random pixels: ordinary inputs, which zeros are not."""
    shape = (batch, *preprocessing.resolution, preprocessing.channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def named(models: Model | Iterable[Model] | Mapping[str, Model]) -> dict[str, Model]:
    """The models by name: a file by its path, a Network by its spec's name; repeated names are numbered."""
    found: dict[str, Model] = {}
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        for model in [models] if isinstance(models, str) or not isinstance(models, Iterable) else models:
            name = str(_path(model)) if isinstance(model, FILES) else model.spec.name
            number = sum(other == name or other.startswith(f"{name} (") for other in found)
            found[f"{name} ({number + 1})" if number else name] = model
    if not found:
        raise InputError("there is nothing to time: give at least one model")
    return found


def _file_entry(name: str, model: str | Path | Exported, runtime: str, threads: int) -> _Entry:
    """An exported file in the runtime that it is made for."""
    path = _path(model)
    own = SUFFIXES.get(path.suffix)
    if own is None:
        raise InputError(f"{path} is not an exported file: its name should end in {', '.join(SUFFIXES)}")
    if runtime not in ("all", own):
        raise InputError(f"{path} runs in {own}, not in {runtime}: leave out the runtime, or give the network itself")
    return _Entry(name, partial(get_runtime(own).load, path, threads))


def _path(model: str | Path | Exported) -> Path:
    if not isinstance(model, Exported):
        return Path(model)
    path = getattr(model.runnable, "path", None)
    if path is None:
        raise InputError(f"{model!r} was not loaded from a file: give the network itself or its file")
    return Path(path)


def _network_entries(
    name: str, net: Network, runtime: str, threads: int, pixels: NDArray[np.uint8], stem: Path
) -> Iterator[_Entry]:
    """A Network in `runtime` or in all that are installed, exported to `stem` with the runtime's name behind it."""
    from pocketvision.measure.count import count
    from pocketvision.measure.settle import settled
    from pocketvision.runtimes import torch as reference

    net, costs = settled(net), count(net)
    expected = reference.load(net).run(pixels)
    for chosen in installed_runtimes() if runtime == "all" else [runtime]:
        module, source = get_runtime(chosen), net
        if hasattr(module, "convert"):
            source = module.convert(net, stem.with_suffix(f".{chosen}"), costs.macs)
        yield _Entry(name, partial(module.load, source, threads), costs.params, costs.macs, expected)

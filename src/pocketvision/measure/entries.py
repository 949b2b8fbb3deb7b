"""What a comparison compares: each model in each runtime, as the file that this runtime opens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from pocketvision.errors import InputError
from pocketvision.measure import netfile
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.worker import in_a_line
from pocketvision.measure.workers import Workers
from pocketvision.runtimes import FROM_ONNX, SUFFIXES, get_runtime
from pocketvision.runtimes.predictor import Exported

if TYPE_CHECKING:
    from pocketvision.network import Network

Model = Union["Network", Exported, str, Path]
Expected = dict[int, NDArray[np.float32]]  # batch -> what PyTorch answers
FILES = (str, Path, Exported)  # the models that are exported files; the others are Networks
ENDINGS = {runtime: ending for ending, runtime in SUFFIXES.items()}


@dataclass(frozen=True)
class Entry:
    """One model in one runtime: what to open, its costs, and the right answers (empty: nobody to ask)."""

    model: str
    runtime: str
    source: Any  # a Path, or for PyTorch inside this process the Network itself
    params: int | None
    macs: int | None
    expected: Expected
    error: str | None = None  # why it cannot be timed at all


def named(models: Model | Iterable[Model] | Mapping[str, Model]) -> dict[str, Model]:
    """The models by name: a file by its path, a Network by its spec's name; repeated names are numbered."""
    found: dict[str, Model] = {}
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        for model in [models] if isinstance(models, str) or not isinstance(models, Iterable) else models:
            if not isinstance(model, FILES) and not hasattr(model, "spec"):
                raise InputError(f"cannot time {model!r} ({type(model).__name__}): give a Network or an exported file")
            name = str(file_of(model)) if isinstance(model, FILES) else model.spec.name
            free, number = name, 1
            while free in found:
                number += 1
                free = f"{name} ({number})"
            found[free] = model
    if not found:
        raise InputError("there is nothing to time: give at least one model")
    return found


def file_of(model: str | Path | Exported) -> Path:
    """The file that a model is, or was loaded from."""
    if not isinstance(model, Exported):
        return Path(model)
    path = getattr(model.runnable, "path", None)
    if path is None:
        raise InputError(f"{model!r} was not loaded from a file: give the network itself or its file")
    return Path(path)


def own_runtime(path: Path) -> str:
    """The runtime that a file is made for. InputError when it is no exported file."""
    own = SUFFIXES.get(path.suffix)
    if own is None:
        raise InputError(f"{path} is not an exported file: its name should end in {', '.join(SUFFIXES)}")
    return own


def file_entries(
    name: str,
    path: Path,
    runtimes: list[str] | None,
    workers: Workers,
    folder: Path,
    batches: list[int],
    seed: int,
) -> Iterator[Entry]:
    """An exported file in those of `runtimes` that can run it; None is its own. InputError when none of them can.

    Our ONNX file also runs in FROM_ONNX; then its own runtime says what is right.
    """
    own = own_runtime(path)
    able = [own, *(FROM_ONNX if own == "onnxruntime" else ())]
    chosen = [own] if runtimes is None else [runtime for runtime in runtimes if runtime in able]
    if not chosen:
        others = ", ".join(runtimes or ())
        raise InputError(f"{path} runs in {own}, not in {others}: leave out the runtime, or give the network itself")
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the path")
    expected: Expected = {}
    if chosen != [own]:
        reference = get_runtime(own).load(path, 1)
        expected = {batch: reference.run(random_pixels(reference.preprocessing, batch, seed)) for batch in batches}
    folder.mkdir(parents=True, exist_ok=True)
    for runtime in chosen:
        source: Path | None = path
        error = None
        if runtime != own and runtime in ENDINGS:  # it does not read ONNX files itself, its converter does
            target = folder / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}{ENDINGS[runtime]}"
            source, error = _made(partial(_convert, path, target, runtime, workers), name, runtime, len(chosen) == 1)
        yield Entry(name, runtime, source, None, None, {} if runtime == own else expected, error)


def network_entries(
    name: str,
    net: Network,
    runtimes: list[str],
    workers: Workers,
    folder: Path,
    batches: list[int],
    seed: int,
    inline: bool,
) -> Iterator[Entry]:
    """A Network in each of `runtimes`, converted into `folder`; what lies there already is not made again."""
    from pocketvision.measure.count import count
    from pocketvision.measure.settle import settled
    from pocketvision.runtimes import torch as reference

    net, costs = settled(net), count(net)
    runnable = reference.load(net)
    expected = {batch: runnable.run(random_pixels(net.preprocessing, batch, seed)) for batch in batches}
    folder = folder / netfile.digest(net)
    folder.mkdir(parents=True, exist_ok=True)
    for runtime in runtimes:
        source: Network | Path | None = net
        error = None
        if not (inline and runtime == "torch"):
            make = partial(_converted, net, runtime, workers, folder, costs.macs)
            source, error = _made(make, name, runtime, len(runtimes) == 1)
        yield Entry(name, runtime, source, costs.params, costs.macs, expected, error)


def _made(make: Callable[[], Path], name: str, runtime: str, alone: bool) -> tuple[Path | None, str | None]:
    """The file that `make` gives, or why there is none. What is `alone` is the user's to know at once: InputError."""
    try:
        return make(), None
    except InputError as error:
        if alone:
            raise
        return None, str(error)
    except Exception as error:  # an exporter may raise anything: the others go on
        reason = f"cannot export {name} for {runtime} ({in_a_line(error)}): leave one of them out"
        if alone:
            raise InputError(reason) from error
        return None, reason


def _converted(net: Network, runtime: str, workers: Workers, folder: Path, macs: int) -> Path:
    """The file that `runtime` opens."""
    if runtime.partition("_")[0] == "torch":
        return _saved(net, folder)
    ending = ENDINGS.get(runtime, f".{runtime}") if runtime != "openvino" else ".onnx"
    target = folder / f"model{ending}"
    if target.exists():
        return target
    if ending == ".onnx":
        return Path(get_runtime("onnxruntime").convert(net, target, macs))
    source = _converted(net, "onnxruntime", workers, folder, macs) if runtime in FROM_ONNX else _saved(net, folder)
    return _convert(source, target, runtime, workers, macs)


def _convert(source: Path, target: Path, runtime: str, workers: Workers, macs: int | None = None) -> Path:
    """Have a worker write `target` from our model file or our ONNX file; what is there already is not made again."""
    if target.exists():
        return target
    reasons = []
    for place in workers.converters(runtime):
        try:
            workers.converter(place, runtime).ask(
                "convert", runtime=runtime, path=str(source), to=str(target), macs=macs
            )
            return target
        except InputError as error:
            reasons.append(str(error))
    raise InputError(reasons[0])


def _saved(net: Network, folder: Path) -> Path:
    path = folder / netfile.NAME
    return path if path.exists() else netfile.save(net, folder)

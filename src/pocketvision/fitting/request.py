"""What `fit` and `train` are asked for, judged before anything heavy is imported or opened.

The command line calls these before it imports PyTorch, and the functions call them first: one place says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketvision.begun import differing, nothing_to_retime, other_settings, read_json
from pocketvision.data.leftovers import RUN
from pocketvision.data.sources import data_name, require_data
from pocketvision.errors import InputError
from pocketvision.files import require_path, require_path_like, split_called
from pocketvision.fitting.limits import Limits
from pocketvision.loading import is_file
from pocketvision.measure.remote import is_remote, read_address
from pocketvision.progress import processes
from pocketvision.runtimes.cores import check_threads
from pocketvision.training.device import require_device
from pocketvision.training.loggers import check_loggers
from pocketvision.training.recipe import Recipe, parse_settings
from pocketvision.units import counted, parse_budget, parse_duration
from pocketvision.validation import check_dials, require_family, require_threads

REPORT = "report.json"  # of a finished run of `fit`


@dataclass(frozen=True)
class FitRequest:
    """A budget in ms, seconds for training, and what else the network may cost."""

    budget_ms: float
    seconds: float
    limits: Limits

    def settings(
        self, data: str | Path, threads: int, runtime: str, pretrained: str | Path | None, seed: int, device: str
    ) -> dict[str, Any]:
        """What makes a run the one that it is: with other settings it is another."""
        return {
            "data": str(data),
            "budget_ms": self.budget_ms,
            "seconds": self.seconds,
            "threads": threads,
            "runtime": runtime,
            "pretrained": str(pretrained) if pretrained else None,
            "limits": self.limits.to_json(),
            "seed": seed,
            **({"device": read_address(device).name} if is_remote(device) else {}),
        }


def check_begun(out: Path, settings: Mapping[str, Any], fresh: bool, retime: bool, more_time: str | None) -> None:
    """InputError where the folder `out` holds a run of `fit` that these settings cannot go on with, as far as is known
    before the data are read: whether they are the same is left to who does that."""
    if retime and (fresh or more_time):
        raise InputError("--retime times a finished run as it is: leave out --fresh and --more-time")
    begun = read_json(out / RUN)
    if begun is not None and not fresh:
        changed = differing({**begun, "data": settings["data"]}, settings)
        if changed:
            raise other_settings(out, changed, retime=retime)
    if retime and not (out / REPORT).is_file():
        raise nothing_to_retime(out)


def check_fit(
    data: str | Path,
    budget: str,
    time: str,
    threads: int,
    runtime: str,
    pretrained: str | Path | None,
    limits: tuple[str | None, str | None, str | None, str | None],
    more_time: str | None,
    device: str,
    log: Sequence[str],
) -> FitRequest:
    """The values as numbers. InputError for the first that is wrong; `limits` are macs, params, size, memory."""
    if processes() > 1:
        raise InputError("fit works in one process: leave out torchrun, or take 'pocketvision train'")
    asked = FitRequest(parse_budget(budget), parse_duration(time, "time"), Limits.parse(*limits))
    if runtime != "onnxruntime":
        raise InputError(f"fit ships ONNX files, it cannot time them in {runtime!r}: use --runtime onnxruntime")
    require_threads(threads)
    if is_remote(device):
        read_address(device)
    else:
        check_threads(threads)
        require_device(device)
    _check_run(data, pretrained, more_time, log)
    return asked


def check_train(
    data: str | Path,
    model: str | Path,
    width: float | None,
    resolution: int | None,
    channels: int | None,
    groups: int | None,
    bypass: str | None,
    pretrained: str | Path | None,
    epochs: int | None,
    time: str | None,
    lr: float | None,
    folds: int | None,
    settings: Mapping[str, str],
    more_time: str | None,
    device: str,
    log: Sequence[str],
) -> float | None:
    """The seconds for training, None without a limit. InputError for the first value that is wrong."""
    seconds = parse_duration(time, "time") if time is not None else None
    require_path_like(model, "model")
    if is_weights(model):
        if any(value is not None for value in (width, groups, bypass, pretrained)):
            raise InputError(
                f"{model} has its own rows and weights: leave out the width, groups, bypass and pretrained weights"
            )
        require_weights(model)
    else:
        require_family(str(model))
    check_dials(str(model), width, resolution, None, channels, groups, bypass)
    given = {**parse_settings(settings), "epochs": epochs, "lr": lr}
    Recipe(**{name: value for name, value in given.items() if value is not None})
    if folds is not None and folds < 2:
        raise InputError(f"{counted(folds, 'fold')}: give 2 or more, such as 5")
    if folds is not None and processes() > 1:
        raise InputError("--folds works in one process: leave out torchrun, or --folds")
    if folds is not None and more_time is not None:
        raise InputError("--more-time and --folds do not go together: leave one out")
    require_device(device)
    _check_run(data, pretrained, more_time, log)
    return seconds


def _check_run(data: str | Path, pretrained: str | Path | None, more_time: str | None, log: Sequence[str]) -> None:
    if more_time is not None:
        parse_duration(more_time, "more-time")
    check_loggers(log)
    require_data(data)
    if pretrained is not None:
        require_weights(pretrained)


def is_weights(model: str | Path) -> bool:
    """Is `model` a file, a folder or on the Hub, with its own weights, and no network's name?"""
    return is_file(str(model)) or str(model).startswith("hf:")


def require_weights(pretrained: str | Path) -> None:
    """InputError for a file or folder that is not there; what is to be downloaded is left to who does it."""
    if str(pretrained) != "auto" and not str(pretrained).startswith("hf:"):
        require_path(split_called(pretrained)[0])


def default_out(data: str | Path, budget: str) -> Path:
    """`runs/ants_bees-4ms`, however the same data and the same budget are written."""
    return Path("runs") / f"{data_name(data)}-{parse_budget(budget):g}ms"

"""What ships: the trained weights, shown pictures of the size and the part of the image that answer best in the budget.

The choice before training was made in other minutes of a shared machine. And weights work at more than the resolution
they were trained at: random crops magnify what they show, so that in use a somewhat larger picture, or a narrower crop
of its middle, often answers better (FixRes, arXiv 1906.06423). The crop costs nothing.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketvision.data.dataset import Sample
from pocketvision.data.image import preprocessing_for
from pocketvision.evaluation import evaluate_samples
from pocketvision.fitting.accuracy import CARRY
from pocketvision.fitting.allowance import affordable, evenly
from pocketvision.fitting.budget import best_of, is_kept
from pocketvision.fitting.clock import Clock, Look
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.models import least_resolution, name_at
from pocketvision.network import Network
from pocketvision.report.text import percent
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.units import counted

STEP = 8  # px between two resolutions that are tried
REACH = 1.3  # how far above the resolution of training, as a factor; below, down to half of it
HEADROOM = 0.98  # of the budget, that another size than training's must keep
LADDER = Look(9, 0.05, 6.0)
LOOKS = 2  # measurements at most, while the size of training does not surely keep the budget
KEPT = (1.0, 0.875, 0.8, 0.7, 0.6)  # shares of the resized image's side that the centre crop keeps
WORTH = 0.02  # of the validation loss: what a larger picture must gain to be worth its milliseconds
SURE = 2.0  # standard errors of the images' losses: what a choice by them must be ahead by
LOOKED_AT, SECONDS = 1000, 60.0  # validation images that a size and a crop are judged by, if they take no longer


@dataclass(frozen=True)
class Shipping:
    """`resolution` (px) and `resize` (px, the shorter side before the crop) ship.

    `tried`: {resolution, latency_ms, high_ms, fits, val_loss, val_top1}, smallest first; `crops`: {resize, val_loss,
    val_top1} at the resolution of training, none where there are too few validation images to choose by.
    """

    resolution: int
    resize: int
    tried: tuple[dict[str, Any], ...]
    crops: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Shipping:
        return cls(content["resolution"], content["resize"], tuple(content["tried"]), tuple(content["crops"]))

    def row(self, resolution: int) -> dict[str, Any]:
        """What is known of a resolution; of one that was not tried, nothing."""
        return next((row for row in self.tried if row["resolution"] == resolution), {})


def at_resolution(net: Network, resolution: int, resize: int | None = None) -> Network:
    """The same network, weights and rows shared, for images of another size; `resize` None: the usual for that size."""
    other = copy.copy(net)
    other.spec = replace(net.spec, name=name_at(net.spec, resolution), resolution=resolution)
    usual = preprocessing_for(resolution, net.spec.channels)
    other.preprocessing = replace(  # the rest as the weights were trained
        net.preprocessing, resolution=usual.resolution, resize=usual.resize if resize is None else (resize, resize)
    )
    return other


def ladder(net: Network) -> list[int]:
    """The resolutions that the network's weights can be used at, from half of its own to REACH times it."""
    own = net.spec.size[0]
    least = max(own / 2, least_resolution(net.spec))
    return sorted({own, *(side for side in range(STEP, int(REACH * own) + 1, STEP) if side >= least)})


def time_networks(
    nets: Sequence[Network],
    needed: int,
    runtime: str,
    threads: int,
    enough_ms: float,
    journal: Journal,
    clock: Clock,
) -> list[Latency]:
    """Latencies of the shipped contract from temporary exports, against each other in one interleaved run.

    One such run, or LOOKS where the one at index `needed` does not surely keep `enough_ms` in the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [get_runtime(runtime).convert(net, Path(folder) / f"{i}.onnx") for i, net in enumerate(nets)]

        def look() -> list[dict[str, Any]]:
            return [latency.to_json() for latency in clock.time(paths, runtime, threads, LADDER)]

        looks: list[list[Latency]] = []
        best: list[Latency] = []
        while not looks or (len(looks) < LOOKS and not is_kept(best[needed], enough_ms)):
            looks.append([Latency.from_json(row) for row in journal.once(f"sizes, look {len(looks) + 1}", look)])
            best = [best_of(of_one, enough_ms) for of_one in zip(*looks, strict=True)]
        return best


def choose_resolution(
    net: Network,
    val: Sequence[Sample],
    budget_ms: float,
    timed: Callable[[Sequence[Network], int, float], list[Latency]],
    journal: Journal,
) -> Shipping:
    """Of the resolutions from training's own upwards that keep the budget, the one with the lowest validation loss.

    Training's own stays in the running unless it surely misses: it was chosen with headroom, and a measurement that
    cannot tell is no reason to give up accuracy. When it does miss, the largest below that keeps the budget, judged on
    the validation images too: who ships it must see what it costs. With fewer than CARRY validation images nothing is
    chosen by them. What is in the `journal` is not judged again.
    """
    own, sizes = net.spec.size[0], ladder(net)
    latencies = dict(
        zip(sizes, timed([at_resolution(net, side) for side in sizes], sizes.index(own), budget_ms), strict=True)
    )
    kept = {side: is_kept(latency, HEADROOM * budget_ms) for side, latency in latencies.items()}
    rows: dict[int, dict[str, Any]] = {
        side: {
            "resolution": side,
            "latency_ms": latency.median_ms,
            "high_ms": latency.high_ms,
            "fits": bool(is_kept(latency, budget_ms) if side == own else kept[side]),
        }
        for side, latency in latencies.items()
    }
    few = len(val) < CARRY
    some = evenly(val, journal.once("images that sizes are judged by", lambda: _affordable(net, val)))
    usual = net.preprocessing.resize[0]
    views = [usual, *(round(own / share) for share in KEPT if round(own / share) != usual)]
    judged = judge_views(net, [(own, resize) for resize in views[: 1 if few else None]], some, journal)
    crops = sorted(
        ({"resize": resize, **row} for resize, row in zip(views, judged, strict=False)), key=lambda row: row["resize"]
    )
    zoom = _best(judged, dict(zip(views, judged, strict=False)), 0.0) / own
    if is_kept(latencies[own], budget_ms) is False:
        contenders = [below(sizes, own, kept)]
    else:
        contenders = [own, *(side for side in sizes if side > own and kept[side] and not few)]
    shown = [own, *(side for side in contenders if side != own)]
    judged = judge_views(net, [(side, round(side * zoom)) for side in shown], some, journal)
    by_side = dict(zip(shown, judged, strict=True))
    for side, row in by_side.items():
        rows[side] |= row
    best = _best(judged, {side: by_side[side] for side in contenders}, WORTH) if own in contenders else contenders[0]
    return Shipping(best, round(best * zoom), tuple(rows.values()), () if few else tuple(crops))


def _affordable(net: Network, val: Sequence[Sample]) -> int:
    """How many validation images can be looked at in SECONDS, once for each crop and for about as many sizes."""
    runnable = torch_runtime.load(net)

    def answer(samples: Sequence[Sample]) -> object:
        return evaluate_samples(runnable, samples, show=False)

    return len(affordable(val, LOOKED_AT, SECONDS, answer, "judging sizes and crops", looks=2 * len(KEPT)))


def below(sizes: Sequence[int], side: int, kept: dict[int, bool | None]) -> int:
    """The largest of `sizes` under `side` that surely keeps the budget, else that perhaps does; else the smallest."""
    smaller = [size for size in sizes if size < side] or [sizes[0]]
    for hoped in (True, None):
        if found := [size for size in smaller if kept.get(size) is hoped]:
            return found[-1]
    return smaller[0]


def judge_views(
    net: Network, views: Sequence[tuple[int, int]], samples: Sequence[Sample], journal: Journal
) -> list[dict[str, Any]]:
    """{val_loss, val_top1 (or val_map), val_interval, sure} for each (resolution, resize) that the network is shown.

    `sure`: its loss is lower than that of the first view by more than chance, image by image.
    """

    def judge() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        first: NDArray[np.float64] | None = None
        for resolution, resize in views:
            runnable = torch_runtime.load(at_resolution(net, resolution, resize))
            result = evaluate_samples(runnable, samples, show=False)
            first = result.losses if first is None else first
            found.append(
                {
                    "val_loss": result.loss,
                    f"val_{result.metric}": result.value,
                    "val_interval": list(result.interval),
                    "sure": is_surely_lower(result.losses, first),
                }
            )
        return found

    named = ", ".join(f"{resolution} px of {resize}" for resolution, resize in views)
    rows: list[dict[str, Any]] = journal.once(f"{len(samples)} images at {named}", judge)
    return rows


def is_surely_lower(losses: NDArray[np.float64], than: NDArray[np.float64]) -> bool:
    """Are the losses (N) of the same images lower than `than`, by more than SURE standard errors of the difference?"""
    gained = than - losses
    return len(gained) > 1 and bool(gained.mean() > SURE * gained.std(ddof=1) / len(gained) ** 0.5)


def _best(judged: Sequence[dict[str, Any]], views: dict[int, dict[str, Any]], worth: float) -> int:
    """The view with the lowest loss, if it surely beats the first of `judged` by the share `worth`; else the first."""
    usual = judged[0]
    best = min(views, key=lambda view: (views[view]["val_loss"], view))
    if views[best]["sure"] and views[best]["val_loss"] <= (1 - worth) * usual["val_loss"]:
        return best
    return next(view for view, row in views.items() if row is usual)


def explain_resolution(own: int, shipping: Shipping, shipped: int, split_name: str) -> list[str]:
    """Which part of the picture is shown, and why the shipped resolution is not the one of training, in words."""
    notes = []
    if shipping.crops:
        middle = f"the middle {percent(shipping.resolution / shipping.resize, 0)} of the picture's shorter side"
        shown = "all of the picture" if shipping.resize == shipping.resolution else middle
        notes.append(
            f"The network is shown {shown}: of {counted(len(shipping.crops), 'crop')}, none had a lower validation "
            "loss beyond chance."
        )
    if shipping.resolution > own:
        notes.append(
            f"Trained at {own} px, shipped at {shipping.resolution} px: of the resolutions that keep the budget it has "
            f"the lowest validation loss ({shipping.row(shipping.resolution)['val_loss']:.3f} against "
            f"{shipping.row(own)['val_loss']:.3f} at {own} px)."
        )
    elif shipping.resolution < own:
        notes.append(
            f"Trained at {own} px, shipped at {shipping.resolution} px: when timed again after training, "
            f"{own} px needed up to {shipping.row(own)['high_ms']:.2f} ms."
        )
    if shipped < shipping.resolution:
        notes.append(
            f"The file at {shipping.resolution} px did not keep the budget when it was timed: it ships at {shipped} px."
        )
    if shipping.crops and split_name == "val":
        notes.append("Size and crop were chosen on the val split, which can make its accuracy slightly too good.")
    return notes

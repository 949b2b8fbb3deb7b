"""What ships: the trained weights, shown pictures of the size and the part of the image that answer best in the budget.

The choice before training was made in other minutes of a shared machine. And weights work at more than the resolution
they were trained at: random crops magnify what they show, so that in use a somewhat larger picture, or a narrower crop
of its middle, often answers better (FixRes, arXiv 1906.06423). The crop costs nothing.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pocketvision.data.dataset import Sample
from pocketvision.data.image import preprocessing_for
from pocketvision.evaluation import evaluate_samples
from pocketvision.fitting.clock import Clock, Look
from pocketvision.journal import Journal
from pocketvision.measure.latency import Latency
from pocketvision.models import least_resolution, name_at
from pocketvision.network import Network
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes import torch as torch_runtime

STEP = 8  # px between two resolutions that are tried
REACH = 1.3  # how far above the resolution of training, as a factor; below, down to half of it
HEADROOM = 0.98  # of the budget; if it does not suffice for the file that ships, the next smaller resolution does
LADDER = Look(9, 0.05, 6.0)
LOOKS, MOST_LOOKS = 3, 8  # timing runs where a larger size misses, and where that of training itself does
PAUSE = 4.0  # seconds before the second; each further pause is longer by as much: a busy spell may last minutes
KEPT = (1.0, 0.875, 0.8, 0.7, 0.6)  # shares of the resized image's side that the centre crop keeps
WORTH = 0.02  # of the validation loss: what a larger picture must gain to be worth its milliseconds
LOOKED_AT = 1000  # validation images that a size and a crop are judged by


@dataclass(frozen=True)
class Shipping:
    """`resolution` (px) and `resize` (px, the shorter side before the crop) ship.

    `tried`: {resolution, latency_ms, high_ms, fits, val_loss, val_top1}, smallest first; `crops`: {resize, val_loss,
    val_top1} at the resolution of training.
    """

    resolution: int
    resize: int
    tried: tuple[dict[str, Any], ...]
    crops: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


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

    One such run where all keep `enough_ms`, else up to LOOKS; up to MOST_LOOKS while the one at index `needed` misses.
    Of each network the fastest counts: other work on the machine only adds time.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [get_runtime(runtime).convert(net, Path(folder) / f"{i}.onnx") for i, net in enumerate(nets)]

        def look() -> list[dict[str, Any]]:
            time.sleep(PAUSE * len(looks))
            return [asdict(latency) for latency in clock.time(paths, runtime, threads, LADDER)]

        looks: list[list[Latency]] = []
        best: list[Latency] = []
        while not looks or (
            len(looks) < (MOST_LOOKS if best[needed].high_ms > enough_ms else LOOKS)
            and any(latency.high_ms > enough_ms for latency in best)
        ):
            looks.append([Latency(**row) for row in journal.once(f"sizes, look {len(looks) + 1}", look)])
            best = [min(of_one, key=lambda latency: latency.high_ms) for of_one in zip(*looks, strict=True)]
        return best


def choose_resolution(
    net: Network,
    val: Sequence[Sample],
    budget_ms: float,
    timed: Callable[[Sequence[Network], int, float], list[Latency]],
    journal: Journal,
) -> Shipping:
    """Of the resolutions from training's own upwards that keep the budget, the one with the lowest validation loss.

    When none of them keeps it, the largest below that does; the smallest of all when none does. What is in the
    `journal` is not judged again.
    """
    own, sizes = net.spec.size[0], ladder(net)
    rows: dict[int, dict[str, Any]] = {}
    nets = [at_resolution(net, resolution) for resolution in sizes]
    latencies = timed(nets, sizes.index(own), HEADROOM * budget_ms)
    for resolution, latency in zip(sizes, latencies, strict=True):
        fits = latency.high_ms <= HEADROOM * budget_ms
        rows[resolution] = {
            "resolution": resolution,
            "latency_ms": latency.median_ms,
            "high_ms": latency.high_ms,
            "fits": fits,
        }
    fitting = [resolution for resolution in sizes if rows[resolution]["fits"]] or sizes[:1]
    contenders = [resolution for resolution in fitting if resolution >= own] or fitting[-1:]
    some = val[:: -(-len(val) // LOOKED_AT)]

    def judged(resolution: int, resize: int) -> dict[str, float]:
        def judge() -> dict[str, float]:
            sized = torch_runtime.load(at_resolution(net, resolution, resize))
            found = evaluate_samples(sized, some, show=False)
            return {"val_loss": found.loss, f"val_{found.metric}": found.value}

        return journal.once(f"{resolution} px of {resize}", judge)

    crops = [{"resize": round(own / kept), **judged(own, round(own / kept))} for kept in KEPT]
    zoom = min(crops, key=lambda crop: crop["val_loss"])["resize"] / own
    for resolution in {own, *contenders}:
        rows[resolution] |= judged(resolution, round(resolution * zoom))
    best = min(contenders, key=lambda resolution: (rows[resolution]["val_loss"], resolution))
    if own in contenders and rows[best]["val_loss"] > (1 - WORTH) * rows[own]["val_loss"]:
        best = own
    return Shipping(best, round(best * zoom), tuple(rows.values()), tuple(crops))


def explain_resolution(own: int, shipping: Shipping, shipped: int, split_name: str) -> list[str]:
    """Which part of the picture is shown, and why the shipped resolution is not the one of training, in words."""
    rows = {row["resolution"]: row for row in shipping.tried}
    notes = [
        f"Of {len(shipping.crops)} crops, the middle {shipping.resolution / shipping.resize:.0%} of the picture's "
        f"shorter side had the lowest validation loss, and is what the network is shown."
    ]
    if shipping.resolution > own:
        notes.append(
            f"Trained at {own} px, shipped at {shipping.resolution} px: of the resolutions that keep the budget it has "
            f"the lowest validation loss ({rows[shipping.resolution]['val_loss']:.3f} against "
            f"{rows[own]['val_loss']:.3f} at {own} px)."
        )
    elif shipping.resolution < own:
        notes.append(
            f"Trained at {own} px, shipped at {shipping.resolution} px: when timed again after training, "
            f"{own} px needed up to {rows[own]['high_ms']:.2f} ms."
        )
    if shipped < shipping.resolution:
        notes.append(
            f"The file at {shipping.resolution} px did not keep the budget when it was timed, so the same weights ship "
            f"at {shipped} px."
        )
    if split_name == "val":
        notes.append("Size and crop were chosen on the val split, which can make its accuracy slightly too good.")
    return notes

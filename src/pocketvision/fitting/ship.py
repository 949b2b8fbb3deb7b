"""What ships: the trained weights at the resolution that answers best within the budget, timed anew.

The choice before training was made in other minutes of a shared machine. And weights work at more than the resolution
they were trained at: random crops magnify what they show, so that in use a somewhat larger picture often answers
better (FixRes, arXiv 1906.06423).
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
from pocketvision.fitting.choose import Look, open_call
from pocketvision.measure.latency import Latency, time_interleaved
from pocketvision.models import parse_name, variant_name
from pocketvision.network import Network
from pocketvision.runtimes import get_runtime
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.spec import total_stride

STEP = 8  # px between two resolutions that are tried
REACH = 1.3  # how far above the resolution of training, as a factor; below, down to half of it
HEADROOM = 0.98  # of the budget; if it does not suffice for the file that ships, the next smaller resolution does
LADDER = Look(9, 0.05, 6.0)
LOOKS, PAUSE = 3, 4.0  # timing runs, seconds between them
LOOKED_AT = 2000  # validation images that a resolution is judged by


@dataclass(frozen=True)
class Shipping:
    """`resolution` ships; `tried`: {resolution, latency_ms, high_ms, fits, val_loss, val_top1}, smallest first."""

    resolution: int
    tried: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def at_resolution(net: Network, resolution: int) -> Network:
    """The same network, weights and rows shared, for images of another size."""
    family, width, _ = parse_name(net.spec.name)
    other = copy.copy(net)
    other.spec = replace(net.spec, name=variant_name(family, width or 1.0, resolution), resolution=resolution)
    other.preprocessing = preprocessing_for(resolution, net.spec.channels)
    return other


def ladder(net: Network) -> list[int]:
    """The resolutions that the network's weights can be used at, from half of its own to REACH times it."""
    own = net.spec.size[0]
    least = max(own / 2, total_stride(net.spec.trunk))
    return sorted({own, *(side for side in range(STEP, int(REACH * own) + 1, STEP) if side >= least)})


def time_networks(nets: Sequence[Network], runtime: str, threads: int, enough_ms: float) -> list[Latency]:
    """Latencies of the shipped contract from temporary exports, against each other in one interleaved run.

    LOOKS such runs, some seconds apart, unless all networks keep `enough_ms` at once; of each network the fastest
    counts: other work on the machine only adds time.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [get_runtime(runtime).convert(net, Path(folder) / f"{i}.onnx") for i, net in enumerate(nets)]
        calls = {str(path): open_call(runtime, path, threads) for path in paths}
        looks = [time_interleaved(calls, threads=threads, **asdict(LADDER))]
        while len(looks) < LOOKS and any(latency.high_ms > enough_ms for latency in looks[0].values()):
            time.sleep(PAUSE)
            looks.append(time_interleaved(calls, threads=threads, **asdict(LADDER)))
        return [min((look[name] for look in looks), key=lambda latency: latency.high_ms) for name in calls]


def choose_resolution(
    net: Network, val: Sequence[Sample], budget_ms: float, timed: Callable[[Sequence[Network], float], list[Latency]]
) -> Shipping:
    """Of the resolutions from training's own upwards that keep the budget, the one with the lowest validation loss.

    When none of them keeps it, the largest below that does; the smallest of all when none does.
    """
    own, sizes = net.spec.size[0], ladder(net)
    sized = {resolution: at_resolution(net, resolution) for resolution in sizes}
    rows: dict[int, dict[str, Any]] = {}
    for resolution, latency in zip(sizes, timed(list(sized.values()), HEADROOM * budget_ms), strict=True):
        fits = latency.high_ms <= HEADROOM * budget_ms
        rows[resolution] = {
            "resolution": resolution,
            "latency_ms": latency.median_ms,
            "high_ms": latency.high_ms,
            "fits": fits,
        }
    fitting = [resolution for resolution in sizes if rows[resolution]["fits"]] or sizes[:1]
    contenders = [resolution for resolution in fitting if resolution >= own] or fitting[-1:]
    some = val[:: max(1, len(val) // LOOKED_AT)]
    for resolution in {own, *contenders}:
        judged = evaluate_samples(torch_runtime.load(sized[resolution]), some, show=False)
        rows[resolution] |= {"val_loss": judged.loss, "val_top1": judged.top1}
    best = min(contenders, key=lambda resolution: (rows[resolution]["val_loss"], resolution))
    return Shipping(best, tuple(rows.values()))


def explain_resolution(own: int, shipping: Shipping, shipped: int, split_name: str) -> list[str]:
    """Why the shipped resolution is not the one of training, in words; nothing when it is."""
    rows = {row["resolution"]: row for row in shipping.tried}
    notes = []
    if shipping.resolution > own:
        notes.append(
            f"Trained at {own} px, shipped at {shipping.resolution} px: of the resolutions that keep the budget it has "
            f"the lowest validation loss ({rows[shipping.resolution]['val_loss']:.3f} against "
            f"{rows[own]['val_loss']:.3f} at {own} px)."
        )
        if split_name == "val":
            notes.append("That choice was made on the val split, which makes its accuracy slightly too good.")
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
    return notes

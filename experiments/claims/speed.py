"""What the papers say of milliseconds, timed on this machine: ONNX Runtime, one thread, one image, all rivals in turn.

The machine must be quiet. Every group is one interleaved measurement: a busy spell falls on all of its networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from shapes import SHAPES, shape

import pocketvision as pv
from pocketvision.blocks.change import with_gate, without_squeeze_excite
from pocketvision.measure.latency import LEAST_ROUNDS
from pocketvision.models import create_spec
from pocketvision.network import Network, build
from pocketvision.spec import Rows

GATES: tuple[Any, ...] = ("hsigmoid", "sigmoid", "hswish")
KEPT = ("median_ms", "low_ms", "high_ms", "rounds", "calls", "macs", "params")
SMOKE = {"rounds": LEAST_ROUNDS, "seconds": 0.001}
QUIET = {"rounds": 45, "seconds": 0.1}


def run(smoke: bool = False) -> dict[str, Any]:
    """About five minutes on a quiet machine."""
    torch.set_num_threads(1)
    found = {}
    for name, networks in GROUPS.items():
        rows = pv.bench(networks(), threads=1, seed=0, **(SMOKE if smoke else QUIET))
        found[name] = {row["model"]: {key: row[key] for key in KEPT} for row in rows}
    return {"runtime": "onnxruntime", "threads": 1, "groups": found}


def generations() -> dict[str, Network]:
    """MobileNetV3-Large against V2, both at 224 px."""
    return {name: _built(name) for name in ("mobilenet_v2", "mobilenet_v3_large")}


def gates() -> dict[str, Network]:
    """MobileNetV3-Large with each gate in its squeeze-and-excite, and without any."""
    rows = create_spec("mobilenet_v3_large").trunk
    tables: dict[str, Rows] = {gate: with_gate(rows, gate) for gate in GATES}
    tables["none"] = without_squeeze_excite(rows)
    return {name: _built("mobilenet_v3_large", table) for name, table in tables.items()}


def shapes() -> dict[str, Network]:
    """Spindle against hourglass at equal multiply-adds."""
    torch.manual_seed(0)
    return {name: build(shape(name)) for name in SHAPES}


def twins() -> dict[str, Network]:
    """MobileNetV1 beside its full twin; the thin and the shallow one."""
    names = ("mobilenet_v1", "mobilenet_v1_full", "mobilenet_v1_0.75_224", "mobilenet_v1_shallow")
    return {name: _built(name) for name in names}


def _built(name: str, trunk: Rows | None = None) -> Network:
    torch.manual_seed(0)
    spec = create_spec(name)
    return build(replace(spec, trunk=trunk) if trunk else spec)


GROUPS: dict[str, Callable[[], dict[str, Network]]] = {
    "generations": generations,
    "gates": gates,
    "shapes": shapes,
    "twins": twins,
}

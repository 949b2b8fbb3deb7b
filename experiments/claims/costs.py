"""What the papers say of multiply-adds, parameters and memory, counted on the networks built from their tables."""

from __future__ import annotations

from math import prod
from typing import Any

from shapes import SHAPES, shape

from pocketvision.measure.count import FLOAT_BYTES, Costs
from pocketvision.measure.count_spec import count_spec
from pocketvision.models import create_spec
from pocketvision.network import build_meta

KINDS = ("pointwise", "depthwise", "convolution", "dense", "squeeze", "other")
SHARED_OUT = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large")
TWINS = ("mobilenet_v1_full", "mobilenet_v1", "mobilenet_v1_0.75_224", "mobilenet_v1_shallow")


def run() -> dict[str, Any]:
    """A second."""
    return {
        "shares": {name: shares(name) for name in SHARED_OUT},
        "layers": layers(),
        "twins": {name: _cost(count_spec(create_spec(name))) for name in TWINS},
        "shapes": {name: memory(count_spec(shape(name))) for name in SHAPES},
    }


def shares(name: str) -> dict[str, dict[str, float]]:
    """Multiply-adds and parameters by kind of operation, as shares of the whole.

    The 1x1 convolutions of squeeze-and-excite, which see one pixel, are a kind of their own: "squeeze".
    """
    spec = create_spec(name)
    costs = count_spec(spec)
    params, macs = (
        {kind: getattr(amount, what) for kind, amount in costs.kinds.items()} for what in ("params", "macs")
    )
    found = {kind: {"macs": macs[kind], "params": params[kind]} for kind in KINDS[:4]}
    inside = _squeezes(spec)
    found["squeeze"] = {"macs": inside, "params": _squeeze_params(spec)}
    for what, amount in found["squeeze"].items():
        found["pointwise"][what] -= amount
    found["other"] = {
        "macs": costs.macs - sum(amount["macs"] for amount in found.values()),
        "params": costs.params - sum(amount["params"] for amount in found.values()),
    }
    return {
        kind: {"macs": amount["macs"] / costs.macs, "params": amount["params"] / costs.params}
        for kind, amount in found.items()
    }


def _squeezes(spec: Any) -> int:
    """Multiply-adds of the squeeze-and-excite in a network: one for each weight, their map is one pixel."""
    return sum(module.weight.numel() for module in _squeeze_convolutions(spec))


def _squeeze_params(spec: Any) -> int:
    return sum(parameter.numel() for module in _squeeze_convolutions(spec) for parameter in module.parameters())


def _squeeze_convolutions(spec: Any) -> list[Any]:
    from pocketvision.blocks import SqueezeExcite

    gates = [module for module in build_meta(spec).modules() if isinstance(module, SqueezeExcite)]
    return [module for gate in gates for module in (gate.reduce, gate.restore)]


def layers() -> list[dict[str, Any]]:
    """Each separable layer of MobileNetV1 beside the full convolution in its place."""
    plain, full = count_spec(create_spec("mobilenet_v1")), count_spec(create_spec("mobilenet_v1_full"))
    return [
        {"row": ours.row, "output": list(ours.output), "separable": ours.macs, "full": theirs.macs}
        for ours, theirs in zip(plain.rows[1:-1], full.rows[1:-1], strict=True)
    ]


def _cost(costs: Costs) -> dict[str, int]:
    return {"macs": costs.macs, "params": costs.params}


def memory(costs: Costs) -> dict[str, int]:
    """Costs with three views of memory, in bytes.

    `moved`: read and written by an engine that fuses BatchNorm and activation. `peak`: the largest sum of maps alive.
    `between`: the largest input and output of a row together, all that there is if a block's inside stays in cache.
    """
    fused = sum(costs.kinds[kind].mac_bytes for kind in ("normalisation", "activation"))
    ends = max(prod(row.input) + prod(row.output) for row in costs.rows[:-1]) * FLOAT_BYTES
    return {
        **_cost(costs),
        "moved": costs.mac_bytes - fused,
        "peak": costs.peak_activation_bytes,
        "between": ends,
    }

"""The time of every operation that ONNX Runtime runs, from its own profile, beside the whole network's without it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import onnxruntime

from pocketvision.measure import profile_nodes as nodes
from pocketvision.measure.latency import summarise, take_rounds
from pocketvision.measure.onnx_profile import Event, end_profile, rows_of
from pocketvision.measure.pin import pinned
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.quiet import Rounds
from pocketvision.measure.spent import Operation, Spent, usual_runs
from pocketvision.network import Network
from pocketvision.runtimes import onnxruntime as runtime

SHORT, LONG = 40, 240  # nodes of the two chains that tell what one trivial node costs
HOW = (
    "means of each kernel in ONNX Runtime's profile, over the middle half of calls of their own; from each is taken "
    "what a trivial operation takes with the profile beyond what it takes without"
)


def spend(net: Network, threads: int = 1, rounds: int = 15, exported: str | Path | None = None) -> Spent:
    """Time `net`, exported and whole, and each of its operations, on `threads` threads and one image.

    Calls with and without the profile take turns, so that a busy spell of the machine falls on both. The network must
    have sane BatchNorm statistics (see `settle`). `exported` is the network's ONNX file, where there is one already.
    """
    with tempfile.TemporaryDirectory(prefix="pocketvision-") as name:
        folder = Path(name)
        path = exported or runtime.convert(net, folder / "net.onnx")
        with pinned(threads):
            plain = runtime.load(path, threads)
            profiled = runtime.load(path, threads, folder / "profile")
            short, long = chain(SHORT), chain(LONG)
            one = np.ones(1, np.float32)
            chains = [_session(model, plain.session) for model in (short, long)]
            chain_profiled = _session(short, plain.session, folder / "chain")
            pixels = random_pixels(net.preprocessing)
            calls: dict[str, Callable[[], object]] = {
                "network": partial(plain.run, pixels),
                "network, profiled": partial(profiled.run, pixels),
                "short": partial(chains[0].run, None, {"x": one}),
                "long": partial(chains[1].run, None, {"x": one}),
                "chain, profiled": partial(chain_profiled.run, None, {"x": one}),
            }
            taken = take_rounds(calls, threads, rounds)
        trivial_ms = (summarise(taken["long"]).median_ms - summarise(taken["short"]).median_ms) / (LONG - SHORT)
        in_profile = usual(end_profile(chain_profiled, folder / "chain").runs, taken["chain, profiled"])
        overhead_ms = mean(us for _, us in in_profile) / 1e3 - trivial_ms
        profile = end_profile(profiled.session, folder / "profile")
    found = usual(profile.runs, taken["network, profiled"])
    operations = located(net, profile.graph, found, overhead_ms)
    return Spent(summarise(taken["network"]), operations, plain.version, HOW, overhead_ms)


def located(net: Network, graph: Any, ran: Sequence[tuple[Event, float]], overhead_ms: float) -> tuple[Operation, ...]:
    """The nodes that `ran`, in order and with their microseconds, at their places in `net`."""
    found: list[Operation] = []
    for (event, us), (row, place) in zip(ran, rows_of(graph, [event for event, _ in ran]), strict=True):
        ms = max(0.0, us / 1e3 - overhead_ms)
        if place.path is None:
            found.append(Operation(row, "", nodes.kind(place, None, event.output), ms, event.name, place.kernel))
            continue
        module, squeeze = nodes.module_at(net, place.path)
        kind = nodes.kind(place, module, event.output)
        part = ".".join(place.path[1:] if row == "head" else place.path[2:])
        found.append(Operation(row, part, kind, ms, event.name, place.kernel, squeeze))
    return tuple(found)


def usual(runs: Sequence[list[Event]], rounds: Rounds) -> list[tuple[Event, float]]:
    """Each node and its microseconds in a usual one of the calls that were timed as `rounds`."""
    kept, average = usual_runs(runs, rounds, lambda run: sum(event.us for event in run))
    return [(same[0], average(event.us for event in same)) for same in zip(*kept, strict=True)]


def _session(
    model: bytes, like: onnxruntime.InferenceSession, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session with the options of `like`; `profile` begins the names of the files in which it notes what it runs."""
    options = like.get_session_options()
    runtime.set_profile(options, profile)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def chain(length: int) -> bytes:
    """An ONNX file of `length` operations on one number, each needing the one before."""
    from onnx import TensorProto, helper

    names = ["x", *(f"y{number}" for number in range(1, length))]
    made = [helper.make_node("Sigmoid", [name], [after]) for name, after in zip(names, [*names[1:], "y"], strict=True)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph(made, "chain", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", runtime.OPSET)], ir_version=8)
    found: bytes = model.SerializeToString()
    return found

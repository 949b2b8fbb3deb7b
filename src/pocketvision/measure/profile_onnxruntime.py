"""The time of every operation that ONNX Runtime runs, from its own profile, beside the whole network's without it."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import onnxruntime

from pocketvision.measure import profile_nodes as nodes
from pocketvision.measure.latency import Latency, time_interleaved
from pocketvision.measure.pin import pinned
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.spent import AFTER, BEFORE, Operation, Spent, usual_runs
from pocketvision.network import Network
from pocketvision.runtimes import onnxruntime as runtime

SHORT, LONG = 40, 240  # nodes of the two chains that tell what one trivial node costs
HOW = (
    "means of each kernel in ONNX Runtime's profile, over the middle half of calls of their own; from each is taken "
    "what a trivial operation takes with the profile beyond what it takes without"
)


@dataclass(frozen=True)
class Event:
    """One run of one node in a profile: its name, operator, type of its result, and whole microseconds."""

    name: str
    operator: str
    output: str
    us: int


def spend(net: Network, threads: int = 1, rounds: int = 15) -> Spent:
    """Time `net`, exported and whole, and each of its operations, on `threads` threads and one image.

    Calls with and without the profile take turns, so that a busy spell of the machine falls on both. The network must
    have sane BatchNorm statistics (see `settle`).
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="pocketvision-") as name:
        folder = Path(name)
        path = runtime.convert(net, folder / "net.onnx")
        with pinned(threads):
            plain = runtime.load(path, threads)
            profiled = _Profiled(path.read_bytes(), plain.session, folder, "net")
            short, long = chain(SHORT), chain(LONG)
            one = np.ones(1, np.float32)
            chains = [_session(model, plain.session) for model in (short, long)]
            chain_profiled = _Profiled(short, plain.session, folder, "chain")
            pixels = random_pixels(net.preprocessing)
            calls: dict[str, Callable[[], object]] = {
                "network": partial(plain.run, pixels),
                "network, profiled": partial(profiled.session.run, None, {"image": pixels}),
                "short": partial(chains[0].run, None, {"x": one}),
                "long": partial(chains[1].run, None, {"x": one}),
                "chain, profiled": partial(chain_profiled.session.run, None, {"x": one}),
            }
            taken = time_interleaved(calls, threads, rounds)
        trivial_ms = (taken["long"].median_ms - taken["short"].median_ms) / (LONG - SHORT)
        in_profile = [us for _, us in chain_profiled.nodes(taken["chain, profiled"])]
        overhead_ms = sum(in_profile) / len(in_profile) / 1e3 - trivial_ms
        graph = onnx.load(profiled.graph).graph
        found = profiled.nodes(taken["network, profiled"])
    return Spent(taken["network"], located(net, graph, found, overhead_ms), plain.version, HOW, overhead_ms)


def located(net: Network, graph: Any, ran: Sequence[tuple[Event, float]], overhead_ms: float) -> tuple[Operation, ...]:
    """The nodes that `ran`, in order and with their microseconds, at their places in `net`."""
    known = nodes.places(graph)
    numbered: defaultdict[tuple[str, str], int] = defaultdict(int)
    found: list[Operation] = []
    inside = False
    for event, us in ran:
        key = (event.name, event.operator, numbered[event.name, event.operator])
        numbered[event.name, event.operator] += 1
        place = known.get(key, nodes.Place(None, event.operator))
        ms = max(0.0, us / 1e3 - overhead_ms)
        if place.path is None:
            where = AFTER if inside else BEFORE
            found.append(Operation(where, "", nodes.kind(place, None, event.output), ms, event.name, place.kernel))
            continue
        inside = True
        module, squeeze = nodes.module_at(net, place.path)
        kind = nodes.kind(place, module, event.output)
        row, part = (int(place.path[1]), place.path[2:]) if place.path[0] == "trunk" else ("head", place.path[1:])
        found.append(Operation(row, ".".join(part), kind, ms, event.name, place.kernel, squeeze))
    return tuple(found)


class _Profiled:
    """A session that writes down each node it runs."""

    def __init__(self, model: bytes, like: onnxruntime.InferenceSession, folder: Path, name: str) -> None:
        self.graph = folder / f"{name}.optimised.onnx"
        self.session = _session(model, like, folder / name, self.graph)

    def nodes(self, latency: Latency) -> list[tuple[Event, float]]:
        """Each node and its microseconds in a usual one of the calls that `latency` is about. Ends the profile."""
        runs = read_profile(self.session.end_profiling())
        usual = usual_runs(runs, latency, lambda run: sum(event.us for event in run))
        # A whole number of microseconds stands for all times up to the next: half of one more on average.
        return [(same[0], 0.5 + mean(event.us for event in same)) for same in zip(*usual, strict=True)]


def read_profile(path: str | Path) -> list[list[Event]]:
    """The nodes of every run in a profile that ONNX Runtime wrote, each run in the order of running."""
    runs: list[list[Event]] = []
    running: list[Event] = []
    for event in json.loads(Path(path).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            told = event["args"]
            output = next((kind for shape in told.get("output_type_shape", []) for kind in shape), "")
            running.append(Event(event["name"].removesuffix("_kernel_time"), told["op_name"], output, event["dur"]))
        elif event.get("name") == "model_run":
            runs.append(running)
            running = []
    return runs


def _session(
    model: bytes, like: onnxruntime.InferenceSession, profile: Path | None = None, graph: Path | None = None
) -> onnxruntime.InferenceSession:
    """A session with the options of `like`; `profile` and `graph` are where it writes what it does and runs."""
    options = like.get_session_options()
    options.enable_profiling = profile is not None
    options.profile_file_prefix = str(profile or "")
    options.optimized_model_filepath = str(graph or "")
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

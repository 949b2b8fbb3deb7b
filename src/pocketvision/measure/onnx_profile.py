"""The one reader of ONNX Runtime's own profile: which node ran for how long, and to which row it belongs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketvision.measure import profile_nodes as nodes
from pocketvision.measure.kinds import AFTER, BEFORE
from pocketvision.measure.onnx_graph import read_graph
from pocketvision.runtimes.onnxruntime import optimised

NODE_EVENT = "_kernel_time"
HALF = 0.5  # us: a whole number of microseconds stands for all times up to the next


@dataclass(frozen=True)
class Event:
    """One run of one node in a profile: its name, operator, type of its result, and microseconds."""

    name: str
    operator: str
    output: str
    us: float


@dataclass(frozen=True)
class Profile:
    """Every run of a session, the nodes of each in the order of running, and the graph that ran."""

    runs: list[list[Event]]
    graph: Any


def end_profile(session: Any, profile: Path) -> Profile:
    """End the profiling of a session that was opened with `profile`; what it wrote is read and taken away."""
    written, graph = Path(session.end_profiling()), optimised(profile)
    found = Profile(read_profile(written), read_graph(graph))
    written.unlink()
    graph.unlink()
    return found


def read_profile(path: str | Path) -> list[list[Event]]:
    """The nodes of every run in a profile that ONNX Runtime wrote, each run in the order of running."""
    runs: list[list[Event]] = []
    running: list[Event] = []
    for event in json.loads(Path(path).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith(NODE_EVENT):
            told = event["args"]
            output = next((kind for shape in told.get("output_type_shape", []) for kind in shape), "")
            name = event["name"].removesuffix(NODE_EVENT)
            running.append(Event(name, told["op_name"], output, event["dur"] + HALF))
        elif event.get("name") == "model_run":  # written when the run is over
            runs.append(running)
            running = []
    return runs


def rows_of(graph: Any, run: Sequence[Event]) -> list[tuple[int | str, nodes.Place]]:
    """Of each node of a run, the row that it belongs to (an index, "head", BEFORE or AFTER), and its place."""
    known = nodes.places(graph)
    numbered: dict[tuple[str, str], int] = {}
    found: list[tuple[int | str, nodes.Place]] = []
    row: int | str = BEFORE
    for event in run:
        number = numbered[event.name, event.operator] = numbered.get((event.name, event.operator), -1) + 1
        place = known.get((event.name, event.operator, number), nodes.Place(None, event.operator))
        if place.path is not None:
            row = int(place.path[1]) if place.path[0] == "trunk" else "head"
        elif row != BEFORE:
            row = AFTER
        found.append((row, place))
    return found

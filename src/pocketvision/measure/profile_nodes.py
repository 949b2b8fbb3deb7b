"""Which row of the table a node of ONNX Runtime's own graph belongs to, and what kind of operation it is.

The exporter names nodes by modules (`/net/trunk/trunk.3/depthwise/conv/Conv`). ONNX Runtime's optimiser keeps the name
of one of the nodes that it fuses, or that of its output, and gives names of its own (`ReorderInput_token_57`, or none)
to what it adds: those belong to the row of their neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from torch import nn

from pocketvision.blocks.squeeze_excite import SqueezeExcite
from pocketvision.measure.parts import kind_of

NETWORK = "/net/"  # the Network inside what is exported (runtimes.torch.Shipped)
SHAPES = ("Reshape Transpose Concat Split Slice Gather GatherND Shape Unsqueeze Squeeze Flatten Pad Expand Tile Cast "
          "Constant ConstantOfShape Identity DepthToSpace SpaceToDepth").split()  # fmt: skip
LAYOUTS = ("ReorderInput", "ReorderOutput")
ACTIVATIONS = ("Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "LeakyRelu", "PRelu", "Elu", "Gelu", "QuickGelu")
INTEGERS = ("int64", "int32", "bool")

Key = tuple[
    str, str, int
]  # a node's name, its operator, and the how-manieth node with these two in the order of running


@dataclass(frozen=True)
class Place:
    """`path`: the names of the modules around a node, from the network inwards; None: outside of the network.

    `kernel` and `depthwise` are those of a convolution.
    """

    path: tuple[str, ...] | None
    operator: str
    kernel: tuple[int, ...] = ()
    depthwise: bool = False


def places(graph: Any) -> dict[Key, Place]:
    """Each node of the optimised graph (`onnx_graph`), in which only convolutions have attributes that matter."""
    shapes = {weights.name: tuple(weights.dims) for weights in graph.initializer}
    paths = _paths(graph)
    found: dict[Key, Place] = {}
    numbered: defaultdict[tuple[str, str], int] = defaultdict(int)
    for node, path in zip(graph.node, paths, strict=True):
        key = (node.name, node.op_type, numbered[node.name, node.op_type])
        numbered[node.name, node.op_type] += 1
        if "Conv" not in node.op_type:
            found[key] = Place(path, node.op_type)
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        weights = next((shapes[name] for name in node.input[1:] if len(shapes.get(name, ())) == 4), ())
        kernel = tuple(attributes["kernel_shape"].ints) if "kernel_shape" in attributes else weights[2:]
        groups = attributes["group"].i if "group" in attributes else 1
        depthwise = groups > 1 and bool(weights) and weights[1] == 1
        found[key] = Place(path, node.op_type, kernel, depthwise)
    return found


def kind(place: Place, module: nn.Module | None, output: str) -> str:
    """One of TIME_KINDS; `module` is the innermost one around the node, `output` the type of its result's elements."""
    operator = place.operator
    if operator in LAYOUTS:
        return "layout"
    if "Conv" in operator:
        return "depthwise" if place.depthwise else "pointwise" if set(place.kernel) <= {1} else "convolution"
    if "Gemm" in operator or "MatMul" in operator:
        return "dense"
    if "Pool" in operator:
        return "pooling"
    if "Normalization" in operator:
        return "normalisation"
    if operator in SHAPES or output in INTEGERS:  # integers are shapes, never maps
        return "shuffle"
    if operator in ACTIVATIONS:
        return "activation"
    is_leaf = module is not None and next(module.children(), None) is None
    return kind_of(module) if module is not None and is_leaf else "elementwise"


def module_at(net: nn.Module, path: tuple[str, ...]) -> tuple[nn.Module, bool]:
    """The innermost module of `path` that there is, and whether it lies in a squeeze-and-excite."""
    module, squeeze = net, False
    for name in path:
        inner = module._modules.get(name)
        if inner is None:
            break
        module = inner
        squeeze = squeeze or isinstance(module, SqueezeExcite)
    return module, squeeze


def path_of(name: str) -> tuple[str, ...] | None:
    """`/net/trunk/trunk.3/depthwise/conv/Conv` -> `("trunk", "3", "depthwise", "conv")`; None outside of the network.

    A module in a Sequential is written with the Sequential's name before its own, and so on inwards.
    """
    if not name.startswith(NETWORK):
        return None
    found: list[str] = []
    before = ""
    for part in name.removeprefix(NETWORK).split("/")[:-1]:
        found.append(part.removeprefix(f"{before}.") if before else part)
        before = part
    return tuple(found)


def _paths(graph: Any) -> list[tuple[str, ...] | None]:
    """Of each node, its own names before those of its neighbours."""
    maker = {output: number for number, node in enumerate(graph.node) for output in node.output if output}
    readers: defaultdict[str, list[int]] = defaultdict(list)
    for number, node in enumerate(graph.node):
        for name in node.input:
            readers[name].append(number)
    paths: dict[int, tuple[str, ...] | None] = {}
    for number, node in enumerate(graph.node):
        names = [node.name] if node.op_type in LAYOUTS else [node.name, *node.output]
        if given := next((name for name in names if name.startswith("/")), None):
            paths[number] = path_of(given)
    waiting = [number for number in range(len(graph.node)) if number not in paths]
    while waiting:
        for number in waiting:
            node = graph.node[number]
            makers = [maker[name] for name in node.input if name in maker]
            users = [reader for name in node.output for reader in readers[name]]
            near = [*users, *makers] if node.op_type == "ReorderInput" else [*makers, *users]
            if placed := next((other for other in near if other in paths), None):
                paths[number] = paths[placed]
        left = [number for number in waiting if number not in paths]
        if len(left) == len(waiting):  # nothing around them has a place
            paths |= dict.fromkeys(left)
            break
        waiting = left
    return [paths[number] for number in range(len(graph.node))]

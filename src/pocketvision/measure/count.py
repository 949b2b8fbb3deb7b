"""What a network costs, counted on the built module while it runs on PyTorch's meta device: no weights, no arithmetic.

Multiply-adds are those of convolutions and matrix products, without biases, BatchNorm and activations, as papers count.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.hooks import RemovableHandle

from pocketvision.measure.kinds import KINDS
from pocketvision.measure.parts import Part, kind_of, leaves, parts
from pocketvision.runtimes.torch import evaluating

FLOAT_BYTES = 4
# Operations that inference engines fold into the operation before or do in place, when nobody else needs their input.
IN_PLACE = {"normalisation", "activation", "elementwise"}
aten = torch.ops.aten
SAME_SHAPE = {aten.relu, aten.hardtanh, aten.hardswish, aten.hardsigmoid, aten.sigmoid, aten.silu}
BROADCAST = {aten.add, aten.sub, aten.mul, aten.div}


@dataclass(frozen=True)
class Amount:
    """Costs of one image: parameters, multiply-adds, bytes moved to and from memory, and elements written (`Costs`)."""

    params: int = 0
    macs: int = 0
    mac_bytes: int = 0
    activations: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.params + other.params,
            self.macs + other.macs,
            self.mac_bytes + other.mac_bytes,
            self.activations + other.activations,
        )


@dataclass(frozen=True)
class RowCosts(Amount):
    """The costs of one row of the table; `input` and `output` are shapes without the batch: (C, H, W) or (C,)."""

    row: int | str = 0
    kind: str = ""
    input: tuple[int, ...] = ()
    output: tuple[int, ...] = ()


@dataclass(frozen=True)
class Costs:
    """The costs of one image in a network, in float32.

    `mac_bytes` is the memory access cost of ShuffleNetV2 (arXiv 1807.11164, section 2) times 4 bytes: for each
    operation the elements it reads and writes and its weights; operations as built, BatchNorm and activations counted
    too, nothing fused. For what engines fuse, leave out `kinds["normalisation"]` and `kinds["activation"]`.

    `peak_activation_bytes` is the largest sum of feature maps that are needed at one time: a map lives from the
    operation that makes it to the last that reads it, so the input of a residual block lives until it is added. The
    input image counts, as floats. Normalisation, activation and element-wise operations work in place where their input
    is not needed again. Weights and an engine's scratch memory are not in it.

    `activations` is the number of elements that the operations write, of the same operations as in `mac_bytes`;
    `training.count_training` has the memory that training needs for them.
    """

    params: int
    macs: int
    mac_bytes: int
    peak_activation_bytes: int
    rows: tuple[RowCosts, ...]
    kinds: dict[str, Amount]
    activations: int = 0


@dataclass
class _Operation:
    """One operation that ran: which storages it read and made."""

    kind: str
    reads: list[int]
    writes: list[tuple[int, int]]  # storage, bytes


@dataclass
class _Recorder(TorchDispatchMode):
    """Sees every operation, and knows from hooks in which row and which leaf it happens."""

    part: int | None = None
    kind: str = "elementwise"
    operations: list[_Operation] = field(default_factory=list)
    of_part: dict[int | None, Amount] = field(default_factory=lambda: defaultdict(Amount))
    of_kind: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    shapes: dict[int, list[tuple[int, ...]]] = field(default_factory=lambda: defaultdict(list))
    kept: list[Tensor] = field(default_factory=list)  # so that no storage's address is used twice

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Where nobody compiles, PyTorch need not import its compiler, which takes a second, to keep it away."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = _run(func, args, kwargs)
        inputs, outputs = _tensors((*args, *kwargs.values())), _tensors(out)
        self.kept += outputs
        if func._overloadpacket is aten.max_pool2d_with_indices:
            outputs = outputs[:1]  # where each maximum was is for training: no engine computes it
        if inputs and not func.is_view:
            written = sum(tensor.numel() for tensor in outputs)
            moved = (sum(tensor.numel() for tensor in inputs) + written) * FLOAT_BYTES
            self._add(Amount(0, _macs(func, args, kwargs, out), moved, written))
            writes = [(_storage(tensor), tensor.numel() * FLOAT_BYTES) for tensor in outputs]
            self.operations.append(_Operation(self.kind, [_storage(tensor) for tensor in inputs], writes))
        return out

    def _add(self, amount: Amount) -> None:
        self.of_part[self.part] += amount
        self.of_kind[self.kind] += amount

    def watch(self, number: int, module: nn.Module) -> list[RemovableHandle]:
        """Hooks that tell the recorder when row `number` and each leaf in it begins and ends."""

        def begin(module: nn.Module, inputs: Any) -> None:
            self.part = number
            self.shapes[number].append(_shape(inputs))

        def end(module: nn.Module, inputs: Any, output: Any) -> None:
            self.part = None
            self.shapes[number].append(_shape(output))

        def begin_leaf(leaf: nn.Module, inputs: Any) -> None:
            self.kind = kind_of(leaf)

        def end_leaf(leaf: nn.Module, inputs: Any, output: Any) -> None:
            self.kind = "elementwise"

        hooks = [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
        for leaf in leaves(module):
            hooks += [leaf.register_forward_pre_hook(begin_leaf), leaf.register_forward_hook(end_leaf)]
        return hooks


def count(net: nn.Module, input_shape: Sequence[int] | None = None) -> Costs:
    """The costs of one image of `input_shape` (C, H, W; a leading batch is ignored; None: the Network's own).

    `net` may be on any device, the meta device (see `network.build_meta`) being the cheapest. It is not changed and its
    weights are not copied. `rows` are the trunk's rows by index and then "head"; a module without a trunk is one row.
    """
    if input_shape is None:
        size: Any = net.preprocessing  # what every Network has
        input_shape = (size.channels, *size.resolution)
    with torch.inference_mode(False):  # tensors made under it hide from the recorder what an operation consists of
        net = on_meta(net)
        image = torch.empty(1, *input_shape[-3:], device="meta")
    rows = parts(net)
    recorder = _Recorder()
    hooks = [hook for number, part in enumerate(rows) for hook in recorder.watch(number, part.module)]
    try:
        with evaluating(net), torch.inference_mode(False), torch.no_grad(), recorder:
            net(image)
    finally:
        for hook in hooks:
            hook.remove()
    return _costs(net, rows, recorder, image)


def on_meta(net: nn.Module) -> nn.Module:
    """`net` itself when it has no memory, else its modules with tensors on the meta device. No weight is copied."""
    tensors: list[Tensor] = [*net.parameters(), *net.buffers()]
    if all(tensor.is_meta and not tensor.is_inference() for tensor in tensors):
        return net
    return copy.deepcopy(net, {id(tensor): _empty_like(tensor) for tensor in tensors})


def _empty_like(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta", requires_grad=False)
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """`func` on meta tensors. The most frequent ones have obvious shapes, and PyTorch's own way to them takes ms."""
    packet = func._overloadpacket
    if packet.__name__.endswith("_") and func._schema.is_mutable:  # in place
        return args[0]
    if packet in SAME_SHAPE:
        return torch.empty(args[0].shape, device="meta")
    if packet is aten.native_batch_norm:
        nothing = torch.empty(0, device="meta")  # the batch's own statistics, which only training has
        return torch.empty(args[0].shape, device="meta"), nothing, nothing
    if func is aten.convolution.default and not args[6]:
        return torch.empty(_convolved(*args[:6]), device="meta")
    if packet in (aten.addmm, aten.mm):
        return torch.empty(args[-2].shape[0], args[-1].shape[1], device="meta")
    if packet in BROADCAST and isinstance(args[1], Tensor):
        left, right = args[0].shape, args[1].shape
        return torch.empty(left if left == right else torch.broadcast_shapes(left, right), device="meta")
    if func is aten.mean.dim:
        sides = {axis % args[0].dim() for axis in args[1]}
        keeps = len(args) > 2 and args[2]
        kept = [1 if axis in sides else side for axis, side in enumerate(args[0].shape) if keeps or axis not in sides]
        return torch.empty(kept, device="meta")
    return func(*args, **kwargs)


def _convolved(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int]
) -> list[int]:
    """The shape of a convolution's output."""
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    moved = [(side + 2 * pad - step * (kernel - 1) - 1) // jump + 1 for side, kernel, jump, pad, step in sides]
    return [x.shape[0], weight.shape[0], *moved]


def _macs(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    """Multiply-adds of one operation: PyTorch's own formulas, which count two FLOP each; 0 for what has none."""
    if (
        func is aten.convolution.default and not args[6]
    ):  # not transposed: the frequent case, without the general way's ms
        weight = args[1]
        return int(out.numel() * weight.numel() // weight.shape[0])
    formula = flop_registry.get(func._overloadpacket)
    return int(formula(*args, **kwargs, out_val=out)) // 2 if formula else 0


def _costs(net: nn.Module, rows: list[Part], recorder: _Recorder, image: Tensor) -> Costs:
    counted, parameters = [], list(net.parameters())
    for number, part in enumerate(rows):
        own_parameters = parameters if part.module is net else part.module.parameters()
        params = sum(parameter.numel() for parameter in own_parameters)
        amount = recorder.of_part[number] + Amount(params)
        entered, *_, left = recorder.shapes[number]
        counted.append(RowCosts(**vars(amount), row=part.row, kind=part.kind, input=entered, output=left))
    kinds = {kind: recorder.of_kind[kind] for kind in KINDS}
    params = sum(parameter.numel() for parameter in parameters)
    for leaf in leaves(net):
        if own := sum(parameter.numel() for parameter in leaf._parameters.values() if parameter is not None):
            kinds[kind_of(leaf)] += Amount(own)
    # Parameters of modules that are no leaves belong to operations outside leaves.
    kinds["elementwise"] += Amount(params - sum(amount.params for amount in kinds.values()))
    total = sum(recorder.of_part.values(), Amount(params))
    weights = {_storage(tensor) for tensor in (*parameters, *net.buffers())}
    peak = _peak(recorder.operations, weights, image)
    return Costs(params, total.macs, total.mac_bytes, peak, tuple(counted), kinds, total.activations)


def _peak(operations: list[_Operation], weights: set[int], image: Tensor) -> int:
    """The largest sum of living feature maps, in bytes; see `Costs` for what is assumed."""
    last = {storage: step for step, operation in enumerate(operations) for storage in operation.reads}
    living = {_storage(image): image.numel() * FLOAT_BYTES}
    peak = 0
    for step, operation in enumerate(operations):
        ends = [storage for storage in operation.reads if last[storage] == step and storage in living]
        for storage, size in operation.writes:
            if storage in weights or storage in living:  # written in place by the module itself
                continue
            reused = next((old for old in ends if living.get(old) == size), None)
            if operation.kind in IN_PLACE and reused is not None:
                del living[reused]
            living[storage] = size
        peak = max(peak, sum(living.values()))
        for storage in ends:
            living.pop(storage, None)
    return peak


def _tensors(values: Any) -> list[Tensor]:
    """Those in an operation's arguments or results: tensors, and lists of them as for a concatenation."""
    if isinstance(values, Tensor):
        return [values]
    if not isinstance(values, list | tuple):
        return []
    return [tensor for value in values for tensor in _tensors(value)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _shape(tree: Any) -> tuple[int, ...]:
    """Without the batch; of the first tensor where there are several."""
    found = _tensors(tree)
    return tuple(found[0].shape[1:]) if found else ()

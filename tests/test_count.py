"""Counting: published costs, hand-made ones, and the same numbers from both ways to count."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from conftest import command_environment
from pocketvision.blocks import Bneck, Conv, Separable
from pocketvision.heads import Classifier, Dense
from pocketvision.measure.count import count, on_meta
from pocketvision.measure.count_spec import count_spec
from pocketvision.measure.kinds import KINDS
from pocketvision.measure.parts import kind_of, parts
from pocketvision.measure.settle import settled
from pocketvision.measure.training import TrainingMemory, count_training
from pocketvision.models import MODELS, create_spec
from pocketvision.network import build, build_meta
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.spec import Spec

TINY = Spec(
    "tiny",
    (Conv(3, 8, "relu", 2), Separable(3, 16, "relu"), Bneck(3, 48, 16, 8, "hswish"), Bneck(5, 48, 24, 0, "relu6", 2)),
    Classifier(3, (Dense(32, "hswish"),)),
    16,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with torch_runtime.thread_count(1):
        yield


# Sources: MobileNets, arXiv 1704.04861, table 8; torchvision's parameter counts; V3's are of torchvision's weights.
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("mobilenet_v1", 4_231_976, 568_740_352),
        ("mobilenet_v2", 3_504_872, 300_774_272),
        ("mobilenet_v3_large", 5_483_032, 216_589_760),
        ("mobilenet_v3_small", 2_542_856, 56_510_400),
    ],
)
def test_costs_are_the_published_ones(name: str, params: int, macs: int) -> None:
    costs = count(build_meta(create_spec(name)))
    assert (costs.params, costs.macs) == (params, macs)
    for total, parts_of_it in (
        (params, [row.params for row in costs.rows]),
        (params, [amount.params for amount in costs.kinds.values()]),
        (macs, [row.macs for row in costs.rows]),
        (macs, [amount.macs for amount in costs.kinds.values()]),
        (costs.mac_bytes, [row.mac_bytes for row in costs.rows]),
        (costs.mac_bytes, [amount.mac_bytes for amount in costs.kinds.values()]),
    ):
        assert sum(parts_of_it) == total


def test_shares_of_mobilenet_v1_are_those_of_its_paper() -> None:
    """Table 2 of arXiv 1704.04861: where multiply-adds and parameters are, in per cent."""
    costs = count_spec(create_spec("mobilenet_v1"))
    macs = {kind: 100 * costs.kinds[kind].macs / costs.macs for kind in KINDS}
    assert macs["pointwise"] == pytest.approx(94.86, abs=0.01)
    assert macs["depthwise"] == pytest.approx(3.06, abs=0.01)
    assert macs["dense"] == pytest.approx(0.18, abs=0.01)
    params = {kind: 100 * costs.kinds[kind].params / costs.params for kind in KINDS}
    assert params["pointwise"] == pytest.approx(74.59, abs=0.5)  # the paper leaves BatchNorm out
    assert params["depthwise"] == pytest.approx(1.06, abs=0.01)


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize(("width", "resolution", "channels"), [(1.0, 224, 3), (0.5, (40, 72), 1)])
def test_counting_by_rows_equals_counting_the_network(
    family: str, width: float, resolution: int | tuple[int, int], channels: int
) -> None:
    spec = create_spec(family, width, resolution, 7, channels)
    assert count_spec(spec) == count(build_meta(spec))


def test_memory_access_cost_is_that_of_shufflenet_v2() -> None:
    """arXiv 1807.11164, section 2: a 1x1 convolution costs h w (c1 + c2) + c1 c2; grouped: c1 c2 / g."""
    assert count(nn.Conv2d(12, 20, 1, bias=False), (12, 7, 5)).mac_bytes == 4 * (35 * 32 + 240)
    assert count(nn.Conv2d(12, 20, 1, groups=4, bias=False), (12, 7, 5)).mac_bytes == 4 * (35 * 32 + 60)
    assert count(nn.ReLU(), (12, 7, 5)).mac_bytes == 4 * 2 * 35 * 12
    assert count(nn.ReLU(inplace=True), (12, 7, 5)).mac_bytes == 4 * 2 * 35 * 12


def test_costs_by_hand() -> None:
    costs = count(build(TINY))
    conv, separable, bneck, _, head = costs.rows
    assert (conv.macs, conv.params) == (8 * 8 * 8 * 27, 8 * 27 + 16)
    assert separable.macs == 64 * 8 * 9 + 64 * 8 * 16
    assert bneck.macs == 64 * (16 * 48 + 48 * 9 + 48 * 16) + 2 * 48 * 8
    assert head.macs == 24 * 32 + 32 * 3
    assert [(row.row, row.kind, row.input, row.output) for row in costs.rows] == [
        (0, "Conv", (3, 16, 16), (8, 8, 8)),
        (1, "Separable", (8, 8, 8), (16, 8, 8)),
        (2, "Bneck", (16, 8, 8), (16, 8, 8)),
        (3, "Bneck", (16, 8, 8), (24, 4, 4)),
        ("head", "Classifier", (24, 4, 4), (3,)),
    ]
    # Widest in the residual row: its input waits for the addition while the depthwise layer reads 48 maps, writes 48.
    assert costs.peak_activation_bytes == 4 * 64 * (16 + 48 + 48)


def test_peak_without_a_waiting_shortcut() -> None:
    assert (
        count(nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.ReLU()), (3, 4, 4)).peak_activation_bytes
        == 4 * 128
    )
    chain = nn.Sequential(nn.Conv2d(2, 10, 1), nn.Conv2d(10, 4, 1), nn.Conv2d(4, 9, 1))
    assert count(chain, (2, 1, 1)).peak_activation_bytes == 4 * (10 + 4)

    class Shortcut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.chain = chain
            self.other = nn.Conv2d(2, 9, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.chain(x), self.other(x)], 1)

    # x waits through the chain; then 9 and 9 are joined into 18.
    assert count(Shortcut(), (2, 1, 1)).peak_activation_bytes == 4 * (9 + 9 + 18)


def test_functional_operations_and_lists_are_seen() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(6, 3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([nn.functional.conv2d(x, self.weight), x], 1).flatten(2).transpose(1, 2) @ torch.ones(9, 2)

    with torch.device("meta"):
        costs = count(Functional(), (3, 4, 4))
        assert (costs.params, costs.kinds["elementwise"].params) == (18, 18)


def test_counting_changes_nothing() -> None:
    net = build(TINY)
    net.train()
    net.trunk[0].eval()
    modes = [module.training for module in net.modules()]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.inference_mode():
        costs = count(net, (1, 3, 16, 16))
    assert costs == count(net, (3, 16, 16)) == count(net)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    empty = build_meta(TINY)
    assert on_meta(empty) is empty
    assert all(tensor.is_meta for tensor in on_meta(net).parameters())


def test_kinds_of_leaves() -> None:
    leaves = {
        "pointwise": nn.Conv2d(8, 8, 1), "depthwise": nn.Conv2d(8, 16, 3, groups=8), "convolution": nn.Conv2d(1, 8, 3),
        "dense": nn.Linear(2, 2), "normalisation": nn.BatchNorm2d(2), "activation": nn.Hardswish(),
        "pooling": nn.AdaptiveAvgPool2d(1), "elementwise": nn.Dropout(),
    }  # fmt: skip
    assert {kind: kind_of(leaf) for kind, leaf in leaves.items()} == {kind: kind for kind in KINDS}
    assert [part.row for part in parts(nn.Linear(2, 2))] == [0]


# Training


def test_training_memory_by_hand() -> None:
    """What autograd keeps: a convolution its input, BatchNorm its input and two statistics, ReLU its output."""
    conv, norm = nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)
    assert count_training(conv, (3, 4, 4)) == TrainingMemory(4 * 48, 0, (4 * 48,))
    # The image, the convolution's output, and in place of the third the normalised map that ReLU overwrites.
    unit = nn.Sequential(conv, norm, nn.ReLU(inplace=True))
    assert count_training(unit, (3, 4, 4)) == TrainingMemory(4 * (48 + 80 + 80), 4 * 2 * 5, (4 * 208,))
    assert count_training(unit, (3, 4, 4)).at(8) == 8 * 4 * 208 + 40
    # ReLU6 needs its input, not its output: in place or not, one map. A shortcut's addition needs nothing.
    assert count_training(nn.ReLU6(inplace=False), (5, 4, 4)).image_bytes == 0  # nothing before it learns


def kept_by_autograd(net: nn.Module, images: torch.Tensor) -> int:
    """Bytes of a real forward pass, in training mode, that are neither parameters nor buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), *net.buffers())}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = net.train()(images)
    assert answer.requires_grad
    return sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in own)


@pytest.mark.parametrize("family", MODELS)
def test_training_memory_is_what_autograd_keeps(family: str) -> None:
    net = build(create_spec(family, resolution=64, classes=7))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    found = count_training(net)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert sum(found.row_bytes) == found.image_bytes and len(found.row_bytes) == len(net.trunk) + 1
    assert found.at(3) == kept_by_autograd(net, torch.randn(3, 3, 64, 64))
    assert count_training(build_meta(net.spec)) == found


# Activations, and counting as others do


def test_activations_by_hand() -> None:
    costs = count(build(TINY))
    conv, separable, *_, head = costs.rows
    assert conv.activations == 3 * 8 * 64  # convolution, BatchNorm, ReLU
    assert separable.activations == 3 * 8 * 64 + 3 * 16 * 64
    assert head.activations == 24 + 32 + 32 + 3  # pooled, dense, h-swish, logits
    assert costs.kinds["pooling"].activations == 24 + 48  # and the squeeze of row 2
    at_8, at_4 = 8 + 8 + 16 + 48 + 48 + 16 + 48, 48 + 24  # channels behind every convolution, by the side of the map
    assert costs.kinds["normalisation"].activations == 64 * at_8 + 16 * at_4
    assert costs.activations == sum(row.activations for row in costs.rows)
    assert costs.activations == sum(amount.activations for amount in costs.kinds.values())


@pytest.mark.parametrize("family", MODELS)
def test_torch_counts_as_many_multiply_adds(family: str) -> None:
    spec = create_spec(family, resolution=64, classes=7)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build_meta(spec).eval()(torch.empty(1, 3, 64, 64, device="meta"))
    assert counter.get_total_flops() == 2 * count_spec(spec).macs


def mutated(spec: Spec, random: Random) -> Spec:
    """`spec` with other numbers in two rows, as a search makes them: still a network, whatever it is worth."""
    trunk = list(spec.trunk)
    for number in random.sample([i for i, row in enumerate(trunk) if isinstance(row, Bneck)], 2):
        row = trunk[number]
        wide = 8 * random.randint(4, 120)
        squeeze = row.squeeze and max(8, wide // 4)
        trunk[number] = replace(row, kernel=random.choice((3, 5)), expand=wide, squeeze=squeeze)
    return replace(spec, trunk=tuple(trunk))


def test_hundreds_of_mutations_are_counted_in_seconds() -> None:
    """The time is a limit of the tool, ten times what it takes; the numbers are those of counting without a memory."""
    random = Random(0)
    specs = [create_spec("mobilenet_v3_large")]
    while len(specs) < 500:
        specs.append(mutated(specs[random.randrange(max(0, len(specs) - 50), len(specs))], random))
    start = time.process_time()
    counted = [count_spec(spec) for spec in specs]
    assert time.process_time() - start < 15
    assert len({costs.macs for costs in counted}) > 250
    for number in (0, 1, 250, 499):
        assert counted[number] == count(build_meta(specs[number]))


def test_counting_imports_no_compiler() -> None:
    """PyTorch's takes a second to import; `models` and `bench` would wait for it."""
    program = (
        "import sys; from pocketvision.models import create_spec; spec = create_spec('mobilenet_v3_small', 0.35, 32); "
        "from pocketvision.measure.count_spec import count_spec; count_spec(spec); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=command_environment(), capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


# Statistics for the clock


def test_a_fresh_network_fades_until_it_is_settled() -> None:
    spec = create_spec("mobilenet_v2", 0.35, 32, 10)
    torch.manual_seed(0)
    net = build(spec).eval()
    calm = settled(net)
    assert calm is not net and not calm.training
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        faded, kept = net.trunk(x), calm.trunk(x)
    assert faded.std() < 1e-4  # what would be timed without
    assert 0.1 < kept.std() < 10
    first = next(layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d))
    assert first.running_mean is not None and not first.running_mean.any()  # the given network stays as it was
    assert [layer.momentum for layer in calm.modules() if isinstance(layer, nn.BatchNorm2d)] == [
        layer.momentum for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)
    ]


def test_a_trained_network_is_timed_as_it_is() -> None:
    net = build(TINY)
    with torch.no_grad():
        net.train()(torch.randn(4, 3, 16, 16))
    assert settled(net) is net

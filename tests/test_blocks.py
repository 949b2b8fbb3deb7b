"""Blocks against direct computations, and the functions from rows to rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pocketvision.blocks import (
    Asymmetric,
    Bneck,
    Bottleneck,
    Conv,
    Excite,
    Fire,
    Flattened,
    MaxPool,
    Separable,
    SqueezeExcite,
)
from pocketvision.blocks.change import (
    with_activation,
    with_gate,
    with_squeeze_excite,
    with_stem,
    without_squeeze_excite,
)
from pocketvision.blocks.conv import ConvBN, conv2d
from pocketvision.blocks.shuffle import channel_shuffle
from pocketvision.errors import InputError
from pocketvision.measure.count import count
from pocketvision.models import MODELS, create_spec, shufflenet_v2
from pocketvision.network import Network, build, build_meta
from pocketvision.spec import Conventions, Spec, total_stride

IMAGE = torch.randn(2, 12, 9, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_channel_shuffle_is_reshape_transpose_flatten(groups: int) -> None:
    five = IMAGE.view(2, groups, 12 // groups, 9, 10).transpose(1, 2).reshape(2, 12, 9, 10)
    assert torch.equal(channel_shuffle(IMAGE, groups), five)


@pytest.mark.parametrize(
    ("gate", "function"), [("sigmoid", torch.sigmoid), ("hsigmoid", F.hardsigmoid), ("hswish", F.hardswish)]
)
def test_squeeze_and_excite_by_hand(gate, function) -> None:
    block = SqueezeExcite(12, 4, gate)
    pooled = IMAGE.mean((2, 3))
    inner = F.relu(F.linear(pooled, block.reduce.weight[:, :, 0, 0], block.reduce.bias))
    scale = function(F.linear(inner, block.restore.weight[:, :, 0, 0], block.restore.bias))
    assert torch.allclose(block(IMAGE), IMAGE * scale[:, :, None, None], atol=1e-6)


def test_flattened_convolution_is_three_one_dimensional_ones() -> None:
    block = Flattened(3, 20, "linear").build(12, Conventions()).eval()
    y = F.conv2d(IMAGE, block.lateral.weight)
    y = F.conv2d(y, block.vertical.weight, padding=(1, 0), groups=20)
    y = F.conv2d(y, block.horizontal.weight, padding=(0, 1), groups=20)
    assert torch.allclose(block(IMAGE), y / (1 + 1e-5) ** 0.5, atol=1e-5)
    assert count(block, (12, 9, 10)).macs == 20 * (12 + 3 + 3) * 90


def test_asymmetric_convolution_equals_the_full_one_of_rank_one() -> None:
    block = Asymmetric(3, 1, "linear").build(1, Conventions()).eval()
    full = block.down.weight[0, 0] @ block.across.conv.weight[0, 0]
    x = IMAGE[:, :1]
    wanted = F.conv2d(x, full[None, None], padding=1) / (1 + 1e-5) ** 0.5
    assert torch.allclose(block(x), wanted, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_one_dimensional_blocks_stand_in_any_table(stride: int) -> None:
    for kind in (Flattened, Asymmetric):
        rows = tuple(
            kind(row.kernel, row.out, row.act, row.stride) if isinstance(row, Separable) else row
            for row in MODELS["mobilenet_v1"].trunk
        )
        net = build(replace(create_spec("mobilenet_v1", resolution=64, classes=3), trunk=rows)).eval()
        assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
        assert kind(5, 24, "relu", stride).build(12, Conventions())(IMAGE).shape[2:] == (
            -(-9 // stride),
            -(-10 // stride),
        )


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (9, 3, 2), (7, 5, 2), (8, 1, 2), (10, 3, 3)])
def test_tensorflows_same_padding(side: int, kernel: int, stride: int) -> None:
    conv = conv2d(4, 6, kernel, stride, conventions=Conventions(padding="tf_same"))
    x = torch.randn(1, 4, side, side)
    out = -(-side // stride)
    missing = max((out - 1) * stride + kernel - side, 0)
    padded = F.pad(x, [missing // 2, missing - missing // 2] * 2)
    assert conv(x).shape[-1] == out
    assert torch.allclose(conv(x), F.conv2d(padded, conv.weight, stride=stride), atol=1e-6)


def test_frozen_statistics_fold_under_tensorflows_padding_too() -> None:
    block = ConvBN(12, 8, 3, 2, conventions=Conventions(padding="tf_same"))
    block.bn.running_mean.normal_(), block.bn.running_var.uniform_(0.5, 1.5)
    wanted = block.eval()(IMAGE)
    block.train().bn.eval()
    assert torch.allclose(block(IMAGE), wanted, atol=1e-5)


def test_bypasses_of_the_fire_module() -> None:
    same = Fire(4, 6, 6, bypass="simple").build(12, Conventions()).eval()
    without = Fire(4, 6, 6).build(12, Conventions()).eval()
    without.load_state_dict(same.state_dict())
    assert torch.equal(same(IMAGE), without(IMAGE) + IMAGE)
    other = Fire(4, 8, 8, bypass="complex").build(12, Conventions()).eval()
    assert other.bypass is not None
    plain = Fire(4, 8, 8).build(12, Conventions()).eval()
    plain.load_state_dict({k: v for k, v in other.state_dict().items() if not k.startswith("bypass")})
    assert torch.allclose(other(IMAGE), plain(IMAGE) + other.bypass(IMAGE), atol=1e-6)
    assert Fire(4, 8, 8, bypass="simple").build(12, Conventions()).bypass is None


def test_a_pooling_must_have_the_channels_of_the_row_before() -> None:
    with pytest.raises(InputError, match="MaxPool of 24 channels follows one with 12"):
        MaxPool(3, 24).build(12, Conventions())


@pytest.mark.parametrize("name", MODELS)
def test_activation_and_attention_can_be_switched_on_in_any_family(name: str) -> None:
    spec = create_spec(name, width=0.25, resolution=96, classes=3)
    for gate in ("sigmoid", "hsigmoid", "hswish"):
        rows = with_gate(with_squeeze_excite(with_activation(spec.trunk, "hswish"), "sigmoid", 8), gate)
        net = build(replace(spec, trunk=rows)).eval()
        assert net(torch.zeros(1, 3, 96, 96)).shape == (1, 3)
        kinds = {type(part) for part in net.trunk.modules()}
        assert nn.Hardswish in kinds and nn.ReLU not in kinds and nn.ReLU6 not in kinds
        gates = [part.gate for part in net.modules() if isinstance(part, SqueezeExcite)]
        assert len(gates) >= 5 and {type(part) for part in gates} == {
            {"sigmoid": nn.Sigmoid, "hsigmoid": nn.Hardsigmoid, "hswish": nn.Hardswish}[gate]
        }
    plain = without_squeeze_excite(rows)
    assert not any(isinstance(part, SqueezeExcite) for part in build_meta(replace(spec, trunk=plain)).modules())
    assert Spec.from_json(replace(spec, trunk=rows).to_json()).trunk == rows


def test_attention_stands_where_the_block_has_a_place_for_it() -> None:
    v2 = with_squeeze_excite(MODELS["mobilenet_v2"].trunk)
    assert [row.squeeze for row in v2 if isinstance(row, Bneck)][1] == 8  # 96 wide channels / 16, a multiple of 8
    v1 = with_squeeze_excite(MODELS["mobilenet_v1"].trunk)
    assert [type(row) for row in v1[:5]] == [Conv, Separable, Excite, Separable, Excite]
    resnet = with_squeeze_excite(MODELS["resnet_50"].trunk)
    assert resnet == MODELS["se_resnet_50"].trunk and isinstance(resnet[2], Bottleneck)


def test_another_stem() -> None:
    rows = MODELS["resnet_50"].trunk
    small = with_stem(rows, (Conv(3, 32, "relu"), Conv(3, 64, "relu")))
    assert total_stride(small) == 8 and small[2:] == rows[2:]
    with pytest.raises(InputError, match="this stem ends in 32 channels, the table needs 64"):
        with_stem(rows, (Conv(3, 32, "relu"),))


def test_residual_units_of_shufflenet_v2() -> None:
    spec = create_spec("shufflenet_v2", 0.5, 64, 3)
    plain = build(spec).eval()
    residual = Network(replace(spec, trunk=shufflenet_v2.with_residual(spec.trunk))).eval()
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(1, 48, 8, 8)
    assert spec.trunk[3].stride == 1
    a, b = plain.trunk[3](x), residual.trunk[3](x)
    right = x[:, 24:]
    wanted = channel_shuffle(torch.cat([x[:, :24], right + _branch(plain.trunk[3], right)], 1), 2)
    assert torch.allclose(b, wanted, atol=1e-6) and not torch.allclose(a, b)


def _branch(unit: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return unit.project(unit.depthwise(unit.expand(x)))

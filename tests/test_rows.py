"""Functions from rows to rows take every kind of row, or refuse it by name: none drops what it does not know."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from pocketvision.blocks import (
    ROWS,
    Asymmetric,
    Bneck,
    Bottleneck,
    Conv,
    Excite,
    Fire,
    Flattened,
    MaxPool,
    Plain,
    Separable,
    Sepconv,
    ShuffleV1,
    ShuffleV2,
    Valid,
    Xblock,
)
from pocketvision.blocks.change import changed, with_squeeze_excite
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.models import (
    MODELS,
    create_spec,
    mnasnet,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
)
from pocketvision.network import build_meta
from pocketvision.spec import Row, Rows, Spec, widen

EXAMPLES: dict[str, Row] = {
    "Conv": Conv(3, 32, "relu"),
    "Valid": Valid(3, 32, "relu"),
    "Separable": Separable(3, 32, "relu"),
    "Bneck": Bneck(3, 96, 32, 24, "relu6"),
    "Plain": Plain(3, 32, "relu", padding=1),
    "MaxPool": MaxPool(3, 32),
    "Fire": Fire(8, 16, 16),
    "ShuffleV1": ShuffleV1(32, 2, "relu"),
    "ShuffleV2": ShuffleV2(3, 32, "relu"),
    "Xblock": Xblock((24, 32), "relu"),
    "Sepconv": Sepconv(3, 32, "relu"),
    "Bottleneck": Bottleneck(16, 32, "relu", squeeze=8),
    "Excite": Excite(32, 8),
    "Flattened": Flattened(3, 32, "relu"),
    "Asymmetric": Asymmetric(3, 32, "relu"),
}


def answers(trunk: Rows) -> tuple[int, ...]:
    """The shape of what a network of these rows answers: its rows fit each other."""
    net = build_meta(Spec("any", trunk, Classifier(5), 32)).eval()
    return tuple(net(torch.zeros(1, 3, 32, 32, device="meta")).shape)


def test_there_is_an_example_of_every_kind() -> None:
    assert set(EXAMPLES) == set(ROWS)


@pytest.mark.parametrize("width", [0.5, 2.0])
@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_width_multiplier_takes_every_kind_of_row(kind: str, width: float) -> None:
    rows = (Conv(3, 32, "relu", 2), EXAMPLES[kind], Bneck(3, 64, 48, 0, "relu"), Conv(1, 64, "relu"))
    scaled = widen(rows, width)
    assert [type(row) for row in scaled] == [type(row) for row in rows]
    assert [row.out for row in scaled] == [round(row.out * width) for row in rows]
    assert answers(rows) == answers(scaled) == (1, 5)


def test_a_table_may_begin_with_any_row() -> None:
    assert widen((Bneck(3, 18, 24, 0, "relu"),), 0.5) == (Bneck(3, 18 - 18 % 8 + 8, 16, 0, "relu"),)


@pytest.mark.parametrize(
    ("family", "kind"),
    [(name, kind) for name in ("mobilenet_v2", "mobilenet_v3_small", "mnasnet_a1") for kind in ("Separable", "Excite")]
    + [(name, "Excite") for name in ("shufflenet_v1", "shufflenet_v2")],
)
def test_no_family_s_width_multiplier_drops_a_foreign_row(family: str, kind: str) -> None:
    trunk = MODELS[family].trunk
    place = next(i for i in range(2, len(trunk)) if trunk[i].stride == 1 and trunk[i + 1].stride == 1) + 1
    channels = trunk[place - 1].out
    foreign = Separable(3, channels, "relu") if kind == "Separable" else Excite(channels, 8)
    rows = (*trunk[:place], foreign, *trunk[place:])
    scaled = MODELS[family].widen(rows, 0.5)
    assert [type(row) for row in scaled] == [type(row) for row in rows]
    assert scaled[place].out == scaled[place - 1].out
    assert scaled[:place] + scaled[place + 1 :] == MODELS[family].widen(trunk, 0.5)
    assert answers(scaled) == (1, 5)


def test_the_width_multiplier_keeps_what_was_changed_in_the_stem() -> None:
    stem, *rest = shufflenet_v1.TRUNK
    assert isinstance(stem, Conv)
    scaled = shufflenet_v1.widen((replace(stem, act="hswish"), *rest), 0.5)
    assert isinstance(scaled[0], Conv) and scaled[0].act == "hswish"
    assert scaled[1:] == shufflenet_v1.widen(shufflenet_v1.TRUNK, 0.5)[1:]


def test_other_groups_keep_what_else_was_changed_and_refuse_what_they_do_not_know() -> None:
    assert shufflenet_v1.with_groups(shufflenet_v1.TRUNK, 8) == shufflenet_v1.trunk(8)
    stem, *rest = shufflenet_v1.TRUNK
    assert isinstance(stem, Conv)
    other = replace(stem, act="hswish")
    assert shufflenet_v1.with_groups((other, *rest), 1) == (other, *shufflenet_v1.trunk(1)[1:])
    with pytest.raises(InputError, match=r"Excite\(out=240, .* has no other column for 8 groups"):
        shufflenet_v1.with_groups(with_squeeze_excite(shufflenet_v1.TRUNK), 8)
    with pytest.raises(InputError, match=r"ShuffleV1\(out=120, .* has no other column"):
        shufflenet_v1.with_groups(shufflenet_v1.widen(shufflenet_v1.TRUNK, 0.5), 8)


def test_what_would_change_nothing_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"this table has no row Fire \(Conv, Bneck\): nothing of it would change"):
        squeezenet.with_bypass(mobilenet_v2.TRUNK, "simple")
    with pytest.raises(InputError, match="no row Bottleneck"):
        resnet.with_separable(squeezenet.V1_0)
    with pytest.raises(InputError, match="no row ShuffleV2"):
        shufflenet_v2.with_residual(mnasnet.A1)
    assert changed((Fire(8, 16, 16), MaxPool(3, 32)), Fire, act="relu6")[0] == Fire(8, 16, 16, "relu6")


def test_the_minimalistic_variant_has_no_large_kernel_in_any_kind_of_row() -> None:
    rows = (Conv(5, 16, "hswish", 2), Separable(5, 16, "hswish"), Bneck(5, 32, 16, 8, "hswish"), Conv(1, 32, "hswish"))
    plain = mobilenet_v3.minimalistic(rows)
    assert [getattr(row, "kernel", 0) for row in plain] == [3, 3, 3, 1]
    assert {getattr(row, "act", "") for row in plain} == {"relu"}


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize("width", [0.1, 0.35, 1.4])
def test_another_width_changes_numbers_of_channels_and_nothing_else(family: str, width: float) -> None:
    own = MODELS[family].resolution
    for rows in (create_spec(family, width, own).trunk, create_spec(family, 1.0, own).trunk):
        assert [type(row) for row in rows] == [type(row) for row in MODELS[family].trunk]
        for row, before in zip(rows, MODELS[family].trunk, strict=True):
            for field in fields(row):  # type: ignore[arg-type]
                value, table = getattr(row, field.name), getattr(before, field.name)
                if isinstance(value, str | bool) or field.name in ("kernel", "stride", "groups"):
                    assert value == table, (row, before)
                assert bool(value) == bool(table)  # no squeeze-and-excite that comes or goes

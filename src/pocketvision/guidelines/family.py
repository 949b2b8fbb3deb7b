"""What the MobileNet family adds to the four guidelines: depthwise kernels, gates, h-swish, and the vector width."""

from __future__ import annotations

from dataclasses import replace

from pocketvision.blocks import Bneck, Conv, Separable
from pocketvision.blocks.activations import Activation
from pocketvision.blocks.change import with_activation, with_gate, without_squeeze_excite
from pocketvision.guidelines.experiment import Claim, Experiment, Variant, stack
from pocketvision.heads import Classifier
from pocketvision.models import mobilenet_v3 as V3
from pocketvision.spec import Rows, Spec

BLOCKS = 5


def depthwise() -> Experiment:
    """Five of V3-Large's blocks of one stage, without squeeze-and-excite, by kernel."""
    stages: tuple[tuple[int, int, int, Activation], ...] = (
        (56, 24, 72, "relu"),
        (28, 40, 120, "relu"),
        (14, 112, 480, "hswish"),
    )

    def variant(kernel: int) -> Variant:
        label = f"{kernel}x{kernel}"
        specs = tuple(
            stack(f"{label}, {wide}", out, (Bneck(kernel, wide, out, 0, act),) * BLOCKS, side)
            for side, out, wide, act in stages
        )
        return Variant(label, specs)

    claims = (
        Claim("5x5 depthwise", "5x5 depthwise kernels slow a block down (against 3x3)", ("5x5",), ("3x3",)),
        Claim("7x7 depthwise", "7x7 depthwise kernels slow a block down (against 3x3)", ("7x7",), ("3x3",)),
    )
    return Experiment(
        "depthwise",
        "Depthwise kernels in V3's blocks",
        tuple(f"{wide} at {side} px" for side, _, wide, _ in stages),
        (variant(3), variant(5), variant(7)),
        claims,
    )


def v3_large() -> Experiment:
    """MobileNetV3-Large at 224 px with one thing changed at a time; "minimalistic" changes all, and 5x5 to 3x3."""

    def variant(label: str, trunk: Rows, head: Classifier = V3.LARGE_HEAD) -> Variant:
        return Variant(label, (Spec(f"V3-Large, {label}", trunk, head, 224, conventions=V3.CONVENTIONS),))

    plain_head = replace(V3.LARGE_HEAD, dense=tuple(replace(row, act="relu") for row in V3.LARGE_HEAD.dense))
    variants = (
        variant("as published", V3.LARGE),
        variant("no squeeze-and-excite", without_squeeze_excite(V3.LARGE)),
        variant("sigmoid gates", with_gate(V3.LARGE, "sigmoid")),
        variant("h-swish gates", with_gate(V3.LARGE, "hswish")),
        variant("ReLU for h-swish", with_activation(V3.LARGE, "relu"), plain_head),
        variant("minimalistic", V3.minimalistic(V3.LARGE), V3.LARGE_MINIMALISTIC_HEAD),
    )
    usual = ("as published",)
    claims = (
        Claim("squeeze-and-excite", "squeeze-and-excite slows V3-Large down", usual, ("no squeeze-and-excite",)),
        Claim("hard gates", "sigmoid gates slow V3-Large down (against hard sigmoid)", ("sigmoid gates",), usual),
        Claim("h-swish", "h-swish slows V3-Large down (against ReLU)", usual, ("ReLU for h-swish",)),
    )
    return Experiment("V3-Large", "MobileNetV3-Large, 224 px", ("224 px",), variants, claims)


def vector_width() -> Experiment:
    """Ten layers of some 64 channels at 28 x 28: 1x1 convolutions, and V1's depthwise separable ones."""

    def variant(channels: int) -> Variant:
        pointwise = stack(f"1x1, {channels}", channels, (Conv(1, channels, "relu"),) * 10, 28)
        separable = stack(f"separable, {channels}", channels, (Separable(3, channels, "relu"),) * 10, 28)
        return Variant(str(channels), (pointwise, separable), str(channels))

    odd = ("63", "65")
    claim = Claim("vector width", "channel counts off the vector width cost time (63, 65 against 64)", odd, ("64",) * 2)
    return Experiment(
        "channels",
        "Channel counts around 64",
        ("1x1", "separable"),
        tuple(variant(channels) for channels in (64, 60, 63, 65, 72)),
        (claim,),
        per_mac=True,
    )

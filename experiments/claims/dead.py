"""Dead depthwise kernels in real weights: counted, and cut out to see whether anyone notices.

A kernel is *zero* when its largest weight, times the scale of the BatchNorm behind it, is below 1 % of the median of
its layer. Its channel is *constant* when its output, after the activation, spans less than 1 % of the median span of
its layer over SEEN photographs. Dead is what is both. A channel may be constant with a living kernel, because nothing
arrives ("starved": its input is constant too) or because the activation cuts everything off ("cut off").

On OTHER photographs the kernels are then set to zero (for constant channels of all causes: the output is fixed at its
constant), and the logits compared with those of the untouched network. As a control, in each layer as many living
kernels as there are constant channels, drawn at random, are set to zero.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from place import shared
from torch import Tensor, nn

import pocketvision as pv
from pocketvision.blocks import ConvBN
from pocketvision.network import Network

SEEN, OTHER, BATCH = 200, 100, 20
SHARE = 0.01  # of the layer's median: below, a weight or a span is nothing
SEED = 0
FILES = {
    "mobilenet_v2-b0353104.pth": "mobilenet_v2",
    "mobilenet_v2_1.0_224_quant.tflite": "mobilenet_v2",
    "mobilenet_v1_0.25_128_quant.tflite": "mobilenet_v1",
    "mobilenet_v1_0.5_160_quant.tflite": "mobilenet_v1",
    "mobilenet_v1_0.75_192_quant.tflite": "mobilenet_v1",
}


def run() -> dict[str, Any]:
    """About four minutes on one core."""
    torch.set_num_threads(1)
    return {"seen": SEEN, "other": OTHER, "networks": [examine(file, family) for file, family in FILES.items()]}


@torch.inference_mode()
def examine(file: str, family: str) -> dict[str, Any]:
    """Counts by layer, and what cutting does to the logits, of the weights in `file`."""
    net = pv.create_model(family, weights=shared(f"weights/{file}")).eval()
    photographs = images(net)
    layers = depthwise(net)
    inputs, outputs = spans(net, photographs[:SEEN])
    found, rows = {}, []
    for name, layer in layers.items():
        zero = _below(sizes(layer))
        constant = _below(outputs[name][1] - outputs[name][0])
        silent = inputs[name][1] == inputs[name][0]  # nothing arrives
        starved = constant & ~zero & silent
        found[name] = (zero & constant, constant)
        rows.append(
            {
                "layer": name,
                "kernels": len(zero),
                "zero": int(zero.sum()),
                "dead": int((zero & constant).sum()),
                "dead_starved": int((zero & constant & silent).sum()),
                "constant": int(constant.sum()),
                "starved": int(starved.sum()),
                "cut_off": int((constant & ~zero & ~starved).sum()),
            }
        )
    others = photographs[SEEN : SEEN + OTHER]
    plain = logits(net, others)
    dead = {name: kernels for name, (kernels, _) in found.items()}
    quiet = {name: kernels for name, (_, kernels) in found.items()}
    middles = {name: (low + high) / 2 for name, (low, high) in outputs.items()}
    return {
        "file": file,
        "model": net.spec.name,
        "layers": rows,
        "logits_std": float(plain.std()),
        "cut_dead": _effect(plain, logits(without(net, dead), others)),
        "cut_constant": _effect(plain, logits(fixed(net, quiet, middles), others)),
        "cut_living": _effect(plain, logits(without(net, living(quiet)), others)),
    }


def depthwise(net: nn.Module) -> dict[str, ConvBN]:
    """The depthwise convolutions with their BatchNorm and activation, by name."""
    return {name: part for name, part in net.named_modules() if isinstance(part, ConvBN) and part.conv.groups > 1}


def sizes(layer: ConvBN) -> Tensor:
    """For each kernel its largest |weight| as it acts: times BatchNorm's scale."""
    bn = layer.bn
    assert bn.running_var is not None
    return layer.conv.weight.abs().amax((1, 2, 3)) * (bn.weight / (bn.running_var + bn.eps).sqrt()).abs()


def _below(values: Tensor) -> Tensor:
    return values < SHARE * values.median()


def images(net: Network) -> Tensor:
    """The photographs as the network is shown them, N x 3 x H x W uint8."""
    from pocketvision.data.image import prepare
    from pocketvision.data.sources import open_dataset

    samples = open_dataset(shared("data/imagenet_sample.tar")).splits["train"]
    step = 7  # they are sorted by class: both parts shall have all kinds
    mixed = [samples[(step * i) % len(samples)] for i in range(SEEN + OTHER)]
    return torch.stack([torch.from_numpy(prepare(s.image, net.preprocessing).transpose(2, 0, 1).copy()) for s in mixed])


def logits(net: Network, pixels: Tensor) -> Tensor:
    """N x classes."""
    p = net.preprocessing
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (p.mean, p.std))
    return torch.cat([net((part.float() / 255 - mean) / std) for part in pixels.split(BATCH)])


def spans(net: Network, pixels: Tensor) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, tuple[Tensor, Tensor]]]:
    """Least and largest value of each channel over all images and positions: entering and leaving each layer."""
    inputs: dict[str, tuple[Tensor, Tensor]] = {}
    outputs: dict[str, tuple[Tensor, Tensor]] = {}

    def widen(kept: dict[str, tuple[Tensor, Tensor]], name: str, x: Tensor) -> None:
        low, high = x.amin((0, 2, 3)), x.amax((0, 2, 3))
        before = kept.get(name, (low, high))
        kept[name] = (torch.minimum(before[0], low), torch.maximum(before[1], high))

    def watch(name: str) -> Any:
        def hook(module: nn.Module, entered: tuple[Tensor, ...], left: Tensor) -> None:
            widen(inputs, name, entered[0])
            widen(outputs, name, left)

        return hook

    hooks = [layer.register_forward_hook(watch(name)) for name, layer in depthwise(net).items()]
    logits(net, pixels)
    for hook in hooks:
        hook.remove()
    return inputs, outputs


def without(net: Network, kernels: dict[str, Tensor]) -> Network:
    """A copy with these kernels set to zero; the BatchNorm behind them stays."""
    changed = copy.deepcopy(net)
    for name, layer in depthwise(changed).items():
        layer.conv.weight[kernels[name]] = 0
    return changed


def fixed(net: Network, channels: dict[str, Tensor], values: dict[str, Tensor]) -> Network:
    """A copy in which these channels always give the same value."""
    changed = copy.deepcopy(net)

    def fix(name: str) -> Any:
        def hook(module: nn.Module, entered: Any, left: Tensor) -> Tensor:
            return torch.where(channels[name].view(1, -1, 1, 1), values[name].view(1, -1, 1, 1), left)

        return hook

    for name, layer in depthwise(changed).items():
        layer.register_forward_hook(fix(name))
    return changed


def living(quiet: dict[str, Tensor]) -> dict[str, Tensor]:
    """As many kernels in each layer as are constant, drawn from the others."""
    generator = torch.Generator().manual_seed(SEED)
    drawn = {}
    for name, constant in quiet.items():
        alive = (~constant).nonzero().flatten()
        order = torch.randperm(len(alive), generator=generator)
        drawn[name] = torch.zeros_like(constant)
        drawn[name][alive[order[: int(constant.sum())]]] = True
    return drawn


def _effect(before: Tensor, after: Tensor) -> dict[str, float]:
    """The largest change of a logit, and the share of photographs whose answer changed."""
    changed = before.argmax(1) != after.argmax(1)
    return {"largest_change": float((after - before).abs().max()), "answers_changed": float(changed.float().mean())}

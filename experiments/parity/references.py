"""The networks of other libraries that ours are compared with, and random weights for them."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

LIBRARIES = ("torchvision", "timm", "transformers", "pytorchcv")


@dataclass(frozen=True)
class Reference:
    """A network of another library. `make` builds it; `classes` are its outputs; `listed` its name in published.csv."""

    library: str
    name: str
    family: str
    make: Callable[[], nn.Module]
    classes: int = 1000
    listed: str = ""

    @property
    def id(self) -> str:
        return f"{self.library}/{self.name}"


# fmt: off
TORCHVISION = {
    "mobilenet_v2": ("mobilenet_v2",),
    "mobilenet_v3_large": ("mobilenet_v3_large",),
    "mobilenet_v3_small": ("mobilenet_v3_small",),
    "shufflenet_v2": ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    "squeezenet_1.0": ("squeezenet1_0",),
    "squeezenet_1.1": ("squeezenet1_1",),
    "mnasnet_b1": ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    "resnet_50": ("resnet50",),
}
TIMM = {
    "mobilenet_v1": ("mobilenetv1_100", "mobilenetv1_125"),
    "mobilenet_v2": ("mobilenetv2_035", "mobilenetv2_050", "mobilenetv2_075", "mobilenetv2_100", "mobilenetv2_140"),
    "mobilenet_v3_large": (
        "mobilenetv3_large_075", "mobilenetv3_large_100", "tf_mobilenetv3_large_075", "tf_mobilenetv3_large_100"),
    "mobilenet_v3_small": (
        "mobilenetv3_small_050", "mobilenetv3_small_075", "mobilenetv3_small_100",
        "tf_mobilenetv3_small_075", "tf_mobilenetv3_small_100"),
    "mobilenet_v3_large_minimalistic": ("tf_mobilenetv3_large_minimal_100",),
    "mobilenet_v3_small_minimalistic": ("tf_mobilenetv3_small_minimal_100",),
    "mnasnet_a1": ("semnasnet_050", "semnasnet_075", "semnasnet_100", "semnasnet_140"),
    "mnasnet_b1": ("mnasnet_050", "mnasnet_075", "mnasnet_100", "mnasnet_140"),
    "mnasnet_small": ("mnasnet_small",),
    "xception": ("legacy_xception",),
    "resnet_50": ("resnet50",),
    "se_resnet_50": ("seresnet50", "legacy_seresnet50"),
}
V1_WIDTHS, V2_WIDTHS = (1.0, 0.75, 0.5, 0.25), (1.4, 1.0, 0.75, 0.5, 0.35)
SHUFFLENETS = {  # pytorchcv's name: that in published.csv
    **{f"shufflenet_g{groups}_w1": "" for groups in (1, 2, 3, 4, 8)},
    "shufflenet_g1_w3d4": "", "shufflenet_g3_w3d4": "",
    "shufflenet_g1_wd2": "x0.5 g1 (pytorchcv)", "shufflenet_g3_wd2": "x0.5 g3 (pytorchcv)",
    "shufflenet_g1_wd4": "x0.25 g1 (pytorchcv)", "shufflenet_g3_wd4": "x0.25 g3 (pytorchcv)",
}
SQUEEZENETS = {
    "squeezeresnet_v1_0": ("squeezenet_1.0", "v1.0 (pytorchcv)"),
    "squeezeresnet_v1_1": ("squeezenet_1.1", ""),
}
# fmt: on


def references() -> Iterator[Reference]:
    """All of them. Nothing is imported or built yet."""
    for family, names in TORCHVISION.items():
        for name in names:
            yield Reference("torchvision", name, family, partial(_of_torchvision, name), listed=name)
    for family, names in TIMM.items():
        for name in names:
            yield Reference("timm", name, family, partial(_of_timm, name), listed=name)
    for number, widths in ((1, V1_WIDTHS), (2, V2_WIDTHS)):
        for width in widths:
            make = partial(_of_transformers, number, width)
            name = f"MobileNetV{number} {width:g}"
            yield Reference("transformers", name, f"mobilenet_v{number}", make, 1001, listed=name)
    for name, listed in SHUFFLENETS.items():
        yield Reference("pytorchcv", name, "shufflenet_v1", partial(of_pytorchcv, name), listed=listed)
    for name, (family, listed) in SQUEEZENETS.items():
        yield Reference("pytorchcv", name, family, partial(of_pytorchcv, name), listed=listed)


def _of_torchvision(name: str) -> nn.Module:
    import torchvision

    return torchvision.models.get_model(name, weights=None)


def _of_timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, pretrained=False)


def _of_transformers(number: int, width: float) -> nn.Module:
    """As Google's published checkpoints are: TensorFlow's padding, 1001 classes, the last layer wide in V2.

    As BatchNorm's momentum transformers has TensorFlow's decay, 0.9997, which says the opposite in PyTorch. Our
    importer puts that right, and so it is here, or the running statistics could not be compared.
    """
    import transformers

    config = getattr(transformers, f"MobileNetV{number}Config")
    options: dict[str, Any] = {"finegrained_output": True} if number == 2 else {}
    network = getattr(transformers, f"MobileNetV{number}ForImageClassification")
    module = network(config(depth_multiplier=width, num_labels=1001, tf_padding=True, **options))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d) and part.momentum is not None:
            part.momentum = 1 - part.momentum
    return module


def of_pytorchcv(name: str) -> nn.Module:
    """Its last average pooling is made for 224 px alone; the mean of the whole map is the same there."""
    from pytorchcv.model_provider import get_model

    module = get_model(name, pretrained=False)
    for part in (getattr(module, "features", None), getattr(module, "output", None)):
        if hasattr(part, "final_pool"):
            part.final_pool = nn.AdaptiveAvgPool2d(1)
    return module


def missing_library(reference: Reference) -> bool:
    return importlib.util.find_spec(reference.library) is None


def build_reference(reference: Reference, seed: int = 0) -> nn.Module:
    """The reference with random weights and random BatchNorm statistics, in eval mode."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library has to say of itself while it is imported
        module = reference.make()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None and part.running_var is not None
                part.running_mean.normal_(0, 0.2, generator=generator)
                part.running_var.uniform_(0.5, 1.5, generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(0, 0.2, generator=generator)
            elif isinstance(part, nn.Conv2d | nn.Linear):
                fan_in = part.weight[0].numel()
                part.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
                if part.bias is not None:
                    part.bias.normal_(0, 0.1, generator=generator)
    return module.eval()


def answer(module: nn.Module, images: Tensor) -> Tensor:
    """Logits, also of the networks of transformers, which wrap them."""
    found: Any = module(images)
    return found.logits if hasattr(found, "logits") else found


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest number of `theirs`; inf when there is nothing to compare."""
    largest = theirs.abs().max().item()
    if ours.shape != theirs.shape or not largest > 0:
        return float("inf")
    return (ours - theirs).abs().max().item() / largest

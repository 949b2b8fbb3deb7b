"""Recipes: everything that decides how a network is trained, as one frozen dataclass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from pocketvision.arguments import is_kind
from pocketvision.errors import InputError
from pocketvision.validation import suggestion

if TYPE_CHECKING:
    from pocketvision.data.augment import Augmentation, Policy


@dataclass(frozen=True)
class Recipe:
    """How to train. Rates are peaks: they warm up linearly, then fall along a cosine to zero.

    `trunk_lr` multiplies `lr` for everything but the classifier, `layer_decay` once more for each row further from it.
    `head_warmup` is the share of the run in which the classifier alone learns, `freeze` the number of rows, from the
    input on, that never do. `frozen_bn` keeps BatchNorm at its pretrained statistics. `average` is the share of the run
    over which weights are averaged (exponentially); the average is what is evaluated and kept.

    `crop` bounds the area of the random crops; `policy` and `erase` as in `data.augment`; `color` is the change of
    brightness, contrast and saturation of colour pictures, with the basic policy alone. `mixup` and `cutmix` are the
    alphas of their Beta distributions (0: off). `progressive` is the share of the resolution to begin with; it grows to
    all of it over the first two thirds of the run. `patience` epochs without a lower validation loss end the run, which
    then keeps the best (0: off). `balance` draws each class as often as any other.
    """

    epochs: int = 60
    batch: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 2e-3
    trunk_lr: float = 1.0
    layer_decay: float = 1.0
    head_warmup: float = 0.0
    freeze: int = 0
    weight_decay: float = 0.05
    warmup: float = 0.1
    label_smoothing: float = 0.1
    frozen_bn: bool = False
    average: float = 0.05
    crop: tuple[float, float] = (0.5, 1.0)
    flip: bool = True
    color: float = 0.2
    policy: Policy = "basic"
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    progressive: float = 1.0
    patience: int = 0
    balance: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, kind in KINDS.items():
            if not _is(getattr(self, name), kind):
                raise InputError(f"{name} {getattr(self, name)!r} in the recipe: give {WANTED[kind]}")
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} in the recipe: give 1 or more")
        if self.lr <= 0:
            raise InputError(f"learning rate {self.lr:g} in the recipe: give a positive number, such as 0.002")
        for name, choices in (("optimizer", ("adamw", "sgd")), ("policy", ("basic", "trivial", "rand"))):
            if getattr(self, name) not in choices:
                hint = suggestion(str(getattr(self, name)), choices)
                raise InputError(f"{name} {getattr(self, name)!r} in the recipe: {hint}")
        for name in ("head_warmup", "erase", "warmup", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name):g} in the recipe: give a share from 0 to below 1")
        if not 0.2 <= self.progressive <= 1:
            raise InputError(f"progressive {self.progressive:g} in the recipe: give a share from 0.2 to 1")
        for name in ("mixup", "cutmix", "patience", "freeze", "trunk_lr", "layer_decay", "weight_decay", "average"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} {getattr(self, name):g} in the recipe: give 0 or more")
        if not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise InputError(f"crop {self.crop[0]:g},{self.crop[1]:g} in the recipe: give two shares, such as 0.3,1")

    @property
    def augmentation(self) -> Augmentation:
        from pocketvision.data.augment import Augmentation  # needs PyTorch

        return Augmentation(self.crop, self.flip, self.policy, self.erase)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "crop": list(self.crop)}


LEAST_STEPS = 800  # of the optimiser, from scratch: of 64 images an epoch at batch 64 is a single one
MOST_EPOCHS = 300
EPOCH_STEPS = 10  # that an epoch has at least, as long as batches can be made smaller
FEW = 2000  # images; below, BatchNorm keeps its pretrained statistics (a judgement)


def from_scratch(channels: int = 3, images: int = FEW) -> Recipe:
    """AdamW at a high rate. Grey pictures are mostly signs: centred, and where a mirrored one means something else."""
    return next(iter(from_scratch_recipes(channels, images).values()))


def fine_tune(channels: int = 3, images: int = FEW) -> Recipe:
    """Pretrained weights: the classifier learns fast, the trunk the more gently the fewer `images` there are."""
    return next(iter(fine_tune_recipes(channels, images).values()))


def from_scratch_recipes(channels: int = 3, images: int = FEW) -> dict[str, Recipe]:
    """By name, the likelier first. Of few `images` an epoch is a few steps: then batches are small, and epochs many."""
    batch = next(size for size in (64, 32, 16) if images >= EPOCH_STEPS * size or size == 16)
    steps = math.ceil(images / batch)

    def epochs(usual: int) -> int:
        return min(MOST_EPOCHS, max(usual, math.ceil(LEAST_STEPS / steps)))

    if channels == 1:
        plain = Recipe(epochs=epochs(45), batch=batch, crop=(0.9, 1.0), flip=False, color=0.0)
    else:
        plain = Recipe(epochs=epochs(100), batch=batch)
    other = {"mirrored": replace(plain, flip=True)} if channels == 1 else {}
    return {"plain": plain, **other, "erasing": replace(plain, flip=True, erase=0.25, lr=plain.lr * 1.5)}


def fine_tune_recipes(channels: int = 3, images: int = FEW) -> dict[str, Recipe]:
    """By name, the likelier first. The one for few images is that of experiments/fits."""
    base = Recipe(lr=1e-3, weight_decay=0.02, average=0.1)
    if channels != 3:
        base = replace(base, flip=False, color=0.0)
    if images < FEW:
        return {"gentle": replace(base, batch=32, trunk_lr=0.03, frozen_bn=True, crop=(0.35, 1.0))}
    firm = replace(base, trunk_lr=0.5, head_warmup=0.05)
    return {"firm": firm, "bold": replace(firm, lr=2e-3)}


def parse_settings(settings: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a recipe from text: {"mixup": "0.2", "crop": "0.3,1", "frozen_bn": "yes"}.

    InputError for an unknown field (with the nearest) and for a value that is not of its kind.
    """
    kinds = KINDS
    found: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in kinds:
            raise InputError(f"the recipe has no {name!r}: {suggestion(name, kinds)}")
        try:
            found[name] = _as(kinds[name], text.strip())
        except ValueError:
            raise InputError(f"{name}={text} in the recipe: give {WANTED[kinds[name]]}") from None
    return found


KINDS: dict[str, type] = {field.name: type(field.default) for field in fields(Recipe)}
WANTED = {
    int: "a whole number", float: "a number", bool: "yes or no", tuple: "two numbers, such as 0.3,1", str: "a word",
}  # fmt: skip


def _is(value: object, kind: type) -> bool:
    if kind is tuple:
        return isinstance(value, tuple | list) and len(value) == 2 and all(_is(part, float) for part in value)
    return is_kind(value, kind.__name__) and (kind is not float or math.isfinite(float(value)))  # type: ignore[arg-type]


def _as(kind: type, text: str) -> Any:
    if kind is bool:
        return ("no", "yes").index(text.lower()) == 1
    if kind is tuple:
        low, high = (float(part) for part in text.split(","))
        return low, high
    return kind(text)

"""Tables only, one paper per file. MODELS lists the families; a variant is a family at a width and a resolution."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pocketvision.blocks import inverted_residual
from pocketvision.errors import InputError
from pocketvision.heads import Classifier
from pocketvision.models import mobilenet_v1, mobilenet_v2, mobilenet_v3
from pocketvision.models.published import PUBLISHED
from pocketvision.network import Network, build
from pocketvision.spec import Conventions, Rows, Spec, small_input_stem, total_stride

if TYPE_CHECKING:
    from pathlib import Path

    from pocketvision.weights import Weights


@dataclass(frozen=True)
class Family:
    """A paper's table with the function that scales it."""

    trunk: Rows
    head: Classifier
    conventions: Conventions
    widen: Callable[[Rows, float], Rows]


MODELS: dict[str, Family] = {
    "mobilenet_v1": Family(mobilenet_v1.TRUNK, mobilenet_v1.HEAD, mobilenet_v1.CONVENTIONS, mobilenet_v1.widen),
    "mobilenet_v2": Family(mobilenet_v2.TRUNK, mobilenet_v2.HEAD, mobilenet_v2.CONVENTIONS, mobilenet_v2.widen),
    "mobilenet_v3_large": Family(
        mobilenet_v3.LARGE, mobilenet_v3.LARGE_HEAD, mobilenet_v3.CONVENTIONS, inverted_residual.widen
    ),
    "mobilenet_v3_small": Family(
        mobilenet_v3.SMALL, mobilenet_v3.SMALL_HEAD, mobilenet_v3.CONVENTIONS, inverted_residual.widen
    ),
}


def variant_name(family: str, width: float, resolution: int | tuple[int, int]) -> str:
    """The name people know: `mobilenet_v1_0.75_192`; the bare family is width 1.0 at 224 px."""
    size = f"{resolution[0]}x{resolution[1]}" if isinstance(resolution, tuple) else str(resolution)
    return f"{family}_{width:.4g}_{size}" if width != int(width) else f"{family}_{width:.1f}_{size}"


def list_models(pattern: str = "*") -> list[str]:
    """Names of the families and of all published width x resolution variants that match a shell pattern."""
    names = [*MODELS, *(variant_name(*key) for key in PUBLISHED)]
    return sorted((name for name in names if fnmatch.fnmatch(name, pattern)), key=_natural)


def _natural(name: str) -> tuple[str, float, int]:
    family, width, resolution = parse_name(name)
    return family, -(width or 9), -(resolution or 999)


def parse_name(name: str) -> tuple[str, float | None, int | None]:
    """`mobilenet_v1_0.75_192` -> (family, width, resolution); None where the name does not say.

    InputError with the nearest name for an unknown model.
    """
    for family in sorted(MODELS, key=len, reverse=True):
        if name == family:
            return family, None, None
        match = re.fullmatch(re.escape(family) + r"_(\d+(?:\.\d+)?)_(\d+)", name)
        if match:
            return family, float(match[1]), int(match[2])
    known = [*MODELS, *(variant_name(*key) for key in PUBLISHED)]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else "`pocketvision models` lists them"
    raise InputError(f"unknown model {name!r}: {hint}")


def create_spec(
    name: str,
    width: float | None = None,
    resolution: int | tuple[int, int] | None = None,
    classes: int = 1000,
    channels: int = 3,
    small_stem: bool = True,
) -> Spec:
    """The architecture as data. What `name` says (`..._0.75_192`) holds unless width or resolution is given too.

    With `small_stem`, images of 64 px and below get the small-input stem.
    """
    family_name, named_width, named_resolution = parse_name(name)
    family = MODELS[family_name]
    width = width if width is not None else named_width if named_width is not None else 1.0
    resolution = resolution or named_resolution or (224 if resolution is None else resolution)
    _check(name, width, resolution, classes, channels)
    rows = family.trunk if width == 1 else family.widen(family.trunk, width)
    if small_stem:
        rows = small_input_stem(rows, resolution)
    least = total_stride(rows)
    if min(resolution if isinstance(resolution, tuple) else (resolution,)) < least:
        raise InputError(f"resolution {resolution} px is below what {name} can take: at least {least} px")
    full_name = family_name if (width, resolution) == (1, 224) else variant_name(family_name, width, resolution)
    return Spec(full_name, rows, replace(family.head, classes=classes), resolution, channels, family.conventions)


def _check(name: str, width: float, resolution: int | tuple[int, int], classes: int, channels: int) -> None:
    if not 0 < width <= 10:
        raise InputError(f"width {width:g} of {name}: give a multiplier above 0 and up to 10, such as 0.5 or 1.0")
    if not all(1 <= side <= 4096 for side in (resolution if isinstance(resolution, tuple) else (resolution,))):
        raise InputError(f"resolution {resolution} of {name}: give pixels from 8 to 4096, such as 224")
    if classes < 1:
        raise InputError(f"{classes} classes for {name}: give a positive number")
    if channels < 1:
        raise InputError(f"{channels} input channels for {name}: give 1 for grey, 3 for colour, or any positive number")


def create_model(
    name: str,
    width: float | None = None,
    resolution: int | tuple[int, int] | None = None,
    classes: int | Sequence[str] | None = None,
    channels: int = 3,
    weights: str | Path | dict[str, Any] | Weights | None = None,
) -> Network:
    """Build a network: `create_model("mobilenet_v2", width=0.75, resolution=192, classes=10)`.

    `classes` is a number or the class names; 1000 by default. `weights` is a file or state dict of another library
    (torchvision's mobilenet_v2), a model file of ours, or "auto" to fetch published ones; the classifier is kept when
    the classes agree, else a fresh one is left but for classes that the weights know by name.
    InputError for an unknown name (with the nearest one), a width or resolution the network cannot take, and for
    weights that do not fit, tensor by tensor.
    """
    number = 1000 if classes is None else classes if isinstance(classes, int) else len(classes)
    net = build(create_spec(name, width, resolution, number, channels))
    if classes is not None and not isinstance(classes, int):
        net.classes = tuple(classes)
    if weights is not None:
        from pocketvision.weights import load_weights

        load_weights(net, weights)
    return net


__all__ = ["MODELS", "Family", "create_model", "create_spec", "list_models", "parse_name", "variant_name"]

"""Names of networks: `mobilenet_v1_0.75_192` is a family, a width and a resolution; `shufflenet_v1_g8` a family and its
own dial."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, NamedTuple

from pocketvision.arguments import as_annotated
from pocketvision.errors import InputError
from pocketvision.models.families import MODELS
from pocketvision.models.published import PUBLISHED
from pocketvision.spec import Spec, Variant
from pocketvision.validation import unknown_model


class Name(NamedTuple):
    """What a name says; None where it does not. `option` is the value of the family's own dial."""

    family: str
    option: Any = None
    width: float | None = None
    resolution: int | tuple[int, int] | None = None

    @property
    def base(self) -> str:
        """The family with its own dial, where that is not turned as in the table: `shufflenet_v1_g8`."""
        dial = MODELS[self.family].dial
        turned = dial is not None and self.option not in (None, dial.values[0])
        return f"{self.family}_{dial.prefix}{self.option}" if dial and turned else self.family

    def origin(self, width: float | None = None) -> Variant:
        """The variant, at this width where the name says none."""
        dial = MODELS[self.family].dial
        option = None if dial is None or self.option == dial.values[0] else self.option
        return Variant(self.family, float(width or self.width or 1.0), option)


def origin_of(name: str) -> Variant | None:
    """The variant that a name of ours means; None for any other name."""
    try:
        named = split_name(name)
    except InputError:
        return None
    return named.origin()


def base_name(origin: Variant) -> str:
    """The family, with its own dial where that is turned: `shufflenet_v1_g8`."""
    return Name(origin.family, origin.option).base


def has_own_name(spec: Spec) -> bool:
    """Is the network called otherwise than its variant usually is?"""
    if spec.origin is None or spec.origin.family not in MODELS:
        return True
    base = base_name(spec.origin)
    return spec.name not in (base, variant_name(base, spec.origin.width, spec.resolution))


def name_at(spec: Spec, resolution: int | tuple[int, int]) -> str:
    """What `spec` is called at another resolution: the usual name of its variant; a name of its own stays."""
    if spec.origin is None or has_own_name(spec):
        return spec.name
    return variant_name(base_name(spec.origin), spec.origin.width, resolution)


def variant_name(family: str, width: float, resolution: int | tuple[int, int]) -> str:
    """The name people know: `mobilenet_v1_0.75_192`; the bare family is width 1.0 at 224 px."""
    size = f"{resolution[0]}x{resolution[1]}" if isinstance(resolution, tuple) else str(resolution)
    return f"{family}_{width:.4g}_{size}" if width != int(width) else f"{family}_{width:.1f}_{size}"


@as_annotated()
def list_models(pattern: str = "*") -> list[str]:
    """Names of the families and of all published variants (width, resolution, groups) that match a shell pattern.

    The bare name is the variant at width 1 and the paper's resolution.
    """
    return sorted((name for name in _known() if fnmatch.fnmatch(name, pattern)), key=_natural)


def split_name(name: str) -> Name:
    """`mobilenet_v1_0.75_192` -> (family, option, width, resolution). InputError with the nearest name for no model."""
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no model: give a name, such as 'mobilenet_v2'")
    for family in sorted(MODELS, key=len, reverse=True):
        dial = MODELS[family].dial
        options = {f"_{dial.prefix}{value}": value for value in dial.values} if dial else {}
        choice = "|".join(re.escape(option) for option in options)
        match = re.fullmatch(rf"{re.escape(family)}({choice})?(?:_(\d+(?:\.\d+)?)_(\d+)(?:x(\d+))?)?", name)
        if match:
            width, height, side = match[2], match[3], match[4]
            resolution = None if height is None else (int(height), int(side)) if side else int(height)
            return Name(family, options.get(match[1] or ""), float(width) if width else None, resolution)
    raise unknown_model(name, _known())


def _known() -> list[str]:
    known = list(MODELS)
    for base, width, resolution in PUBLISHED:
        plain = (width, resolution) == (1.0, MODELS[split_name(base).family].resolution)
        known.append(base if plain else variant_name(base, width, resolution))
    return list(dict.fromkeys(known))


def _natural(name: str) -> tuple[int, str, float, int]:
    named = split_name(name)
    order = list(MODELS).index(named.family)
    return (
        order,
        str(named.option or ""),
        -(named.width or 9),
        -(named.resolution if isinstance(named.resolution, int) else 999),
    )

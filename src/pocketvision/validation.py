"""What callers may give, judged before PyTorch is imported: names, dials, threads, whole numbers.

`pocketvision.fit` and its like check with the same functions as the command line, which calls them first, so that a
mistake is answered at once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from numbers import Integral, Real

from pocketvision.errors import InputError
from pocketvision.units import counted

# The keys of `models.families.MODELS`, with the name of the family's own dial where it has one.
FAMILIES: dict[str, str | None] = {
    "mobilenet_v1": None,
    "mobilenet_v1_full": None,
    "mobilenet_v1_shallow": None,
    "mobilenet_v2": None,
    "mobilenet_v3_large": None,
    "mobilenet_v3_small": None,
    "mobilenet_v3_large_minimalistic": None,
    "mobilenet_v3_small_minimalistic": None,
    "mnasnet_a1": None,
    "mnasnet_b1": None,
    "mnasnet_small": None,
    "squeezenet_1.0": "bypass",
    "squeezenet_1.1": "bypass",
    "shufflenet_v1": "groups",
    "shufflenet_v2": None,
    "xception": None,
    "resnet_50": None,
    "se_resnet_50": None,
    "resnet_50_separable": None,
}
MOST_CLASSES, MOST_CHANNELS = 1_000_000, 10_000  # more is a mistake, and fills the memory
DIALS: dict[str, tuple[int | str, ...]] = {"groups": (3, 1, 2, 4, 8), "bypass": ("none", "simple", "complex")}
LISTED = "'pocketvision models' lists them"
PROFILED = ("onnxruntime", "torch")  # the runtimes that `profile` can look into
SPLITS = ("train", "val", "test")


def require_family(name: str) -> None:
    """InputError, with the nearest name, for what is no family's name and no variant of one."""
    if not _is_text(name):
        raise InputError(f"{name!r} is no model: give a name, such as 'mobilenet_v2'")
    if not any(re.fullmatch(rf"{re.escape(family)}(_.*)?", name) for family in FAMILIES):
        raise unknown_model(name, FAMILIES)


def nearest(name: str, known: Iterable[str], alike: float = 0.5) -> str | None:
    """That one of `known` which `name` is meant for: it begins so, or is spelled `alike`; None where none is."""

    def folded(text: str) -> str:
        return text.lower().replace("-", "_")

    names = {folded(each): each for each in reversed(list(known))}  # of two that are folded alike, the first
    typed = folded(name)
    longer = [each for each in reversed(names) if typed and each.startswith(typed)]
    near = longer[:1] or difflib.get_close_matches(typed, names, 1, alike)
    return names[near[0]] if near else None


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean 'x'?` for the nearest; else `otherwise`, or all of `known`."""
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else otherwise or f"choose one of {', '.join(known)}"


def unknown_model(name: str, known: Iterable[str]) -> InputError:
    """What to say of a name that is not `known`."""
    return InputError(f"unknown model {name!r}: {suggestion(name, known, LISTED)}")


def require_pattern(pattern: str) -> None:
    """InputError for a shell pattern that begins as no family's name does."""
    start = re.split(r"[*?\[]", pattern)[0]
    if not any(family.startswith(start) or start.startswith(family) for family in FAMILIES):
        raise no_match(pattern)


def no_match(pattern: str) -> InputError:
    """What to say of a shell pattern that no model's name matches."""
    start = re.split(r"[*?\[]", pattern)[0]
    if start == pattern:
        return unknown_model(pattern, FAMILIES)
    beginnings = [family[:length] for length in range(len(start) + 2, len(start) - 2, -1) for family in FAMILIES]
    near = nearest(start, beginnings) if len(start) > 2 else None
    hint = f"did you mean '{near}{pattern[len(start) :]}'?" if near and near != start else LISTED
    return InputError(f"no model matches {pattern!r}: {hint}")


def check_dials(
    name: str,
    width: float | None = None,
    resolution: int | tuple[int, int] | None = None,
    classes: int | None = None,
    channels: int | None = None,
    groups: int | None = None,
    bypass: str | None = None,
) -> None:
    """InputError for what no network called `name` can take; None is what was not given."""
    sides = resolution if isinstance(resolution, tuple) else () if resolution is None else (resolution,)
    if width is not None and not _is_number(width):
        raise InputError(f"width {width!r} of {name}: give a number, such as 0.5 or 1.0")
    whole = all(_is_whole(side) for side in sides)
    if not whole or (isinstance(resolution, tuple) and len(sides) != 2):
        raise InputError(f"resolution {resolution!r} of {name}: give whole pixels, such as 224 or (192, 256)")
    for what, number in (("classes", classes), ("channels", channels)):
        if number is not None and not _is_whole(number):
            raise InputError(f"{what} {number!r} of {name}: give a whole number")
    if width is not None and not 0 < width <= 10:
        raise InputError(f"width {width:g} of {name}: give a multiplier above 0 and up to 10, such as 0.5 or 1.0")
    if not all(1 <= side <= 4096 for side in sides):
        raise InputError(f"resolution {resolution} of {name}: give pixels from 1 to 4096, such as 224")
    if classes is not None and not 1 <= classes <= MOST_CLASSES:
        raise InputError(
            f"{counted(classes, 'class', 'classes')} for {name}: give a positive number, up to {MOST_CLASSES:,}"
        )
    if channels is not None and not 1 <= channels <= MOST_CHANNELS:
        raise InputError(
            f"{counted(channels, 'input channel')} for {name}: give 1 for grey, 3 for colour, or any positive number"
        )
    for dial, value in (("groups", groups), ("bypass", bypass)):
        if value is not None:
            _check_dial(name, dial, value)


def require_class_names(classes: Iterable[str]) -> tuple[str, ...]:
    """The names as a tuple. InputError for none, for what is no name, and for two classes with one name."""
    single = isinstance(classes, str | bytes) or getattr(classes, "ndim", 1) != 1  # so is a number of NumPy or PyTorch
    names = [] if single else list(classes)
    if not names:
        raise InputError(f"classes {classes!r}: give their number, or a list of names such as ['ant', 'bee']")
    for name in names:
        if not _is_text(name):
            raise InputError(f"classes {names!r}: {name!r} is no name; give each class one")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"classes {names!r}: {twice!r} is there twice; give each class a name of its own")
    return tuple(str(name) for name in names)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_dial(name: str, dial: str, value: int | str) -> None:
    owners = [family for family, own in FAMILIES.items() if own == dial]
    if any(name.startswith(family) for family in FAMILIES) and not any(name.startswith(owner) for owner in owners):
        raise InputError(f"{name} has no {dial}: leave it out")
    if value not in DIALS[dial]:
        choices = [str(choice) for choice in sorted(DIALS[dial])]
        raise InputError(f"{dial} {value} of {name}: {suggestion(str(value), choices)}")


def require_threads(threads: int) -> None:
    """InputError for fewer than one."""
    if not _is_whole(threads):
        raise InputError(f"threads {threads!r}: give a whole number")
    if threads < 1:
        raise InputError(f"{counted(threads, 'thread')}: give 1 or more")


def require_profiled(runtime: str) -> None:
    """InputError for a runtime that `profile` cannot look into."""
    if runtime not in PROFILED:
        hint = suggestion(runtime, PROFILED, f"profile takes {' or '.join(PROFILED)}")
        raise InputError(f"cannot look into runtime {runtime!r}: {hint}")


def require_one_of(value: str, choices: Iterable[str], what: str) -> None:
    """InputError for a `value` that is none of `choices`, with the nearest."""
    choices = list(choices)
    if not isinstance(value, str):
        raise InputError(f"{what} {value!r}: choose one of {', '.join(choices)}")
    if value not in choices:
        raise InputError(f"unknown {what} {value!r}: {suggestion(value, choices)}")

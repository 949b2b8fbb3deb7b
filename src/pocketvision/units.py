"""Durations, counts and sizes as people write them: `5ms`, `1h30m`, `2M`, `4MB`; and what was counted, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pocketvision.errors import InputError

COUNTS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
BYTES = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def noun(number: float, one: str, many: str = "") -> str:
    """`image` for 1, else `images`; `many` where it is not `one` with an s: `classes`."""
    return one if number == 1 else many or one + "s"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 image`, `2 images`; `many` as of `noun`: `2 classes`."""
    return f"{number:,} {noun(number, one, many)}"


def percent(share: float, decimals: int = 1) -> str:
    """A share of 1 as per cent: `98.3 %`. Only 1 itself is 100 %: 0.9999 takes more decimals instead."""
    while share < 1 and decimals < 6 and round(100 * share, decimals) >= 100:
        decimals += 1
    return f"{100 * share:.{decimals}f} %"


def some(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c, 4 more`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f", {more:,} more" if more > 0 else "")


def parse_duration(text: str, what: str) -> float:
    """`text` in seconds; `what` names the option in the message. InputError without a unit or not positive."""
    if not isinstance(text, str):
        raise InputError(f"{what} {text!r}: give text with a unit, such as '5ms', '90s', '8m' or '1h30m'")
    parts = re.findall(r"(-?[\d.]+)\s*([a-z]+)", text.strip().lower())
    complete = "".join(number + unit for number, unit in parts) == re.sub(r"\s+", "", text.lower())
    if not parts or not complete or any(unit not in SECONDS for _, unit in parts):
        raise InputError(f"{what} {text!r}: give a number with a unit, such as 5ms, 90s, 8m or 1h30m")
    try:
        seconds = sum(float(number) * SECONDS[unit] for number, unit in parts)
    except ValueError:
        raise InputError(f"{what} {text!r}: {parts[0][0]!r} is not a number") from None
    if not 0 < seconds < float("inf"):
        raise InputError(f"{what} {text!r}: it must be more than zero")
    return seconds


def parse_budget(text: str) -> float:
    """The longest time for one image, in ms. InputError as of `parse_duration`, and for minutes: `5m` meant `5ms`."""
    seconds = parse_duration(text, "budget")
    if seconds >= SECONDS["m"]:
        raise InputError(f"budget {text!r} is {seconds / 60:g} min for one image: give milliseconds, such as 5ms")
    return seconds * 1000


def parse_count(text: str, what: str) -> int:
    """`2M`, `300k`, `0.5G` or a plain number; `what` names the option. InputError for anything else, and below 1."""
    return _parse(text, what, COUNTS, "a number, such as 2M or 300k")


def parse_bytes(text: str, what: str) -> int:
    """`4MB`, `500kB`, `1.5MiB` in bytes; `what` names the option. InputError without a unit, and below 1."""
    return _parse(text, what, BYTES, "a size with a unit, such as 4MB or 500kB")


def _parse(text: str, what: str, units: dict[str, float], wanted: str) -> int:
    if not isinstance(text, str):
        raise InputError(f"{what} {text!r}: give text with {wanted}")
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in units:
        raise InputError(f"{what} {text!r}: give {wanted}")
    number = round(float(match[1]) * units[match[2]])
    if number < 1:
        raise InputError(f"{what} {text!r}: it must be more than zero")
    return number

"""Numbers as people read them: `0.212 ms`, `98.3 %`, `3.50 M`. [core]

Every function takes whatever a report may hold (a number, None, NaN, nothing at all) and returns text; what is not a
finite number becomes `MISSING`.
"""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Any

from pocketvision import units

MISSING = "–"
GROUP = "\u202f"  # between thousands: narrow, and no line ends there


def number(value: object) -> float | None:
    """`value` as a finite float, or None when it is not one (None, NaN, infinity, text, bool)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    result = float(value)
    return result if math.isfinite(result) else None


def pair(value: object) -> tuple[float, float] | None:
    """An interval `[low, high]` as two finite floats, or None."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        return None
    low, high = number(value[0]), number(value[1])
    return None if low is None or high is None else (low, high)


def significant(value: object, digits: int = 3) -> str:
    """`value` with at least `digits` significant digits, trailing zeros kept, never in exponent form."""
    x = number(value)
    if x is None:
        return MISSING
    if x == 0:
        return "0"
    x = float(f"{x:.{digits - 1}e}") if abs(x) < 10**digits else x  # first, so that 9.996 has the decimals of 10.0
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(x))))
    return f"{x:,.{decimals}f}".replace(",", GROUP)


def milliseconds(value: object) -> str:
    """A measured time in ms, three significant digits: `0.212 ms`."""
    return MISSING if number(value) is None else f"{significant(value)} ms"


def limit(value: object) -> str:
    """A time in ms that a person chose, as they wrote it: `5 ms`, not `5.00 ms`."""
    x = number(value)
    return MISSING if x is None else f"{x:g} ms"


def percent(value: object, decimals: int = 1) -> str:
    """A fraction in 0..1 as per cent: `98.3 %`, as of `units.percent`."""
    x = number(value)
    return MISSING if x is None else units.percent(x, decimals)


def percent_interval(value: object) -> str:
    """Two fractions as `96.4–99.2 %`."""
    ends = pair(value)
    return MISSING if ends is None else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f} %"


def milliseconds_interval(value: object) -> str:
    """Two times in ms as `0.208–0.217 ms`."""
    ends = pair(value)
    return MISSING if ends is None else f"{significant(ends[0])}–{significant(ends[1])} ms"


def _scaled(value: object, units: tuple[str, ...]) -> str:
    x = number(value)
    if x is None:
        return MISSING
    step = 0
    while abs(x) >= 999.5 and step < len(units) - 1:
        x, step = x / 1000, step + 1
    return f"{x:g} {units[0]}".strip() if step == 0 else f"{significant(x)} {units[step]}"


def count(value: object) -> str:
    """Parameters, multiply-adds: `850`, `21.5 k`, `3.50 M`, `301 M`."""
    return _scaled(value, ("", "k", "M", "G", "T"))


def size(value: object) -> str:
    """Bytes, in decimal units as disks and budgets use them: `412 kB`, `13.9 MB`."""
    return _scaled(value, ("bytes", "kB", "MB", "GB"))


def whole(value: object) -> str:
    """An integer with thin groups, as in 1 281 167."""
    x = number(value)
    return MISSING if x is None else f"{round(x):,}".replace(",", GROUP)


def counted(value: object, one: str, many: str = "") -> str:
    """`1 image`, `1 797 images`; `many` where it is not `one` with an s."""
    x = number(value)
    return MISSING if x is None else f"{whole(x)} {units.noun(round(x), one, many)}"


def duration(value: object) -> str:
    """Seconds as `42 s`, `3 min 12 s`, `1 h 05 min`."""
    x = number(value)
    if x is None:
        return MISSING
    if x < 9.95:
        return f"{x:.1f} s"
    seconds = round(x)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def resolution(value: object) -> str:
    """`224` or `(160, 128)` (height, width) as `224 px`, `160 × 128 px`."""
    if isinstance(value, (list, tuple)):
        sides = [whole(side) for side in value]
        return f"{sides[0]} px" if len(set(sides)) == 1 else " × ".join(sides) + " px"
    return MISSING if number(value) is None else f"{whole(value)} px"


def shape(sides: Any, times: str = "×") -> str:
    """(C, H, W) as papers write it: `14×14×112`."""
    return times.join(map(str, (*sides[1:], *sides[:1])))


def plain(value: Any) -> str:
    """Any JSON value in one line, for the tables of settings: machine, recipe."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return MISSING if not math.isfinite(value) else f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items()) or MISSING
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value) or MISSING
    return str(value)


def printable(name: str) -> str:
    """`name` in one line, without what XML and UTF-8 cannot hold or a terminal would obey: such signs become U+FFFD."""
    name = re.sub(r"[\t\r\n]+", " ", name)
    return re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", name)


def shorten(name: str, length: int) -> str:
    """`name` cut to `length` characters in its middle, where names of one kind differ least."""
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f"{name[: length - 1 - end].rstrip()}…{name[len(name) - end :].lstrip()}"

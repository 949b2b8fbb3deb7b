"""Durations as people write them: `5ms`, `0.3ms`, `8m`, `1h30m`."""

from __future__ import annotations

import re

from pocketvision.errors import InputError

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(text: str, what: str) -> float:
    """`text` in seconds; `what` names the option in the message. InputError without a unit or not positive."""
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

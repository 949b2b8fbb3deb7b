"""Numbers and tables as the page writes them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 120


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(share: float, digits: int = 1) -> str:
    """`94.9 %`."""
    return f"{100 * share:.{digits}f} %"


def points(interval: Sequence[float], digits: int = 1) -> str:
    """`+0.5 to +1.5` of shares, in percentage points."""
    return f"{100 * interval[0]:+.{digits}f} to {100 * interval[1]:+.{digits}f}"


def span(interval: Sequence[float], digits: int = 2) -> str:
    """`0.91-0.95`."""
    return f"{interval[0]:.{digits}f}-{interval[1]:.{digits}f}"


def millions(number: float, digits: int = 1) -> str:
    """`4.2 M`."""
    return f"{number / 1e6:,.{digits}f} M"


def megabytes(number: float) -> str:
    """`12.3 MB`, of a million bytes."""
    return f"{number / 1e6:.1f} MB"


def paragraph(text: str) -> str:
    """Prose in lines of at most WIDTH."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)

"""What a network costs: counted on the built module, timed on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pocketvision.measure.lookup import table as table

__all__ = ["table"]


def __getattr__(name: str) -> Any:
    """`table` on first use: it needs PyTorch, which the timing of exported files does not."""
    if name != "table":
        raise AttributeError(f"module 'pocketvision.measure' has no attribute {name!r}")
    from pocketvision.measure.lookup import table

    globals()[name] = table
    return table

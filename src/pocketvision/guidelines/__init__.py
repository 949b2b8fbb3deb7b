"""Do the design rules of efficient networks hold on this device? ShuffleNetV2's four guidelines and this family's own.

An experiment (`paper.py`, `family.py`) is a table of networks that differ in one thing, built from rows as any other;
`timing.py` measures them in turn, `verdict.py` says what a ratio proves, `advice.py` what follows from it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pocketvision.guidelines.run import guidelines as guidelines

__all__ = ["guidelines"]


def __getattr__(name: str) -> Any:
    """`guidelines` on first use: it needs PyTorch, which the check of what is asked for does not."""
    if name != "guidelines":
        raise AttributeError(f"module 'pocketvision.guidelines' has no attribute {name!r}")
    from pocketvision.guidelines.run import guidelines

    globals()[name] = guidelines
    return guidelines

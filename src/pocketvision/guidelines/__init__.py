"""Do the design rules of efficient networks hold on this device? ShuffleNetV2's four guidelines and this family's own.

An experiment (`paper.py`, `family.py`) is a table of networks that differ in one thing, built from rows as any other;
`timing.py` measures them in turn, `verdict.py` says what a ratio proves, `advice.py` what follows from it.
"""

from pocketvision.guidelines.run import guidelines

__all__ = ["guidelines"]

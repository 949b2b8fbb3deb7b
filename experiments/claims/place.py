"""Where things lie: this folder, the checkout, the shared reference data beside it, the folder of unfinished runs."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS = ROOT / "runs/claims"


def shared(name: str) -> Path:
    """A file of the shared reference data, such as "data/cifar10.tar"; POCKETVISION_SHARED may name another folder."""
    return Path(os.environ.get("POCKETVISION_SHARED") or ROOT.parent / "shared") / name

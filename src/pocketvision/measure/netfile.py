"""A Network on its way to another process: as our model file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pocketvision.network import Network

NAME = "model.safetensors"


def save(net: Network, folder: Path) -> Path:
    """Write `net` into `folder`."""
    from pocketvision.weights import file

    return file.save(net, folder / NAME)


def load(path: str | Path) -> Network:
    """Read what `save` wrote."""
    from pocketvision.weights import file

    return file.load(path)


def digest(net: Network) -> str:
    """Twelve letters that change with all that decides an answer: architecture, weights, preprocessing, calibration."""
    told = [net.spec.to_json(), net.task, list(net.classes), net.preprocessing.to_json(), net.calibration.to_json()]
    found = hashlib.sha256(json.dumps(told).encode())
    for name, tensor in sorted(net.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]

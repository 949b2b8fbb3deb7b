"""Published weights through the library that publishes them: nothing is downloaded unless it was asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from pocketvision.errors import InputError
from pocketvision.progress import say

MEGABYTES = 14  # of torchvision's mobilenet_v2 file


def fetch() -> Path:
    """torchvision's MobileNetV2 weights as a file: the one downloaded before, else downloaded now.

    On a terminal the person is asked first. InputError when they say no, and when there is no connection.
    """
    from torchvision.models import MobileNet_V2_Weights

    url = MobileNet_V2_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    host = url.split("/")[2]
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write(f"Download {MEGABYTES} MB from {host} to {path}? [y/N] ")
        sys.stderr.flush()
        if input().strip().lower() not in ("y", "yes"):
            raise InputError("no weights were downloaded: give --pretrained FILE, or leave it out")
    say(f"downloading {MEGABYTES} MB from {host}")
    try:
        MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no connection, or not the file that was published
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise InputError(
            f"cannot download weights from {host} ({reason}): give --pretrained FILE, or leave it out"
        ) from None
    return path

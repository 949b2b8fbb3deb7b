"""What timm's config.json, or the `pretrained_cfg` of a live network, says of how images are shown.

As `resolve_data_config` and `transforms_imagenet_eval` there read it. What changes the network itself and is not one of
ours is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pocketvision.data.preprocessing import INTERPOLATIONS
from pocketvision.errors import InputError
from pocketvision.weights.looks import Looks, numbers

SIZE = (3, 224, 224)  # where nothing is said: channels, height, width; and so on as timm has it
CROP, INTERPOLATION = 0.875, "bicubic"
FITS = {"center": "cover", "squash": "stretch", "border": "pad"}  # crop_mode -> Preprocessing.fit
POOLINGS = ("", "avg", "fast", "fastavg")
# Arguments of a network that leave its function as it is.
HARMLESS = ("num_classes", "in_chans", "img_size", "drop_rate", "drop_path_rate", "drop_block_rate", "global_pool")


def read_looks(config: Mapping[str, Any], channels: int) -> Looks:
    """Of a config whose "pretrained_cfg" was merged into it, for a network of so many input channels.

    InputError for what is not had here.
    """
    _refuse_other_networks(config)
    default = Looks()
    _, height, width = (int(side) for side in numbers("input_size", config.get("input_size") or SIZE, positive=True))
    (share,) = numbers("crop_pct", config.get("crop_pct") or CROP)
    mode, interpolation = config.get("crop_mode") or "center", config.get("interpolation") or INTERPOLATION
    if mode not in FITS:
        raise InputError(f"crop_mode {mode!r} is not known: {', '.join(FITS)} are read")
    if interpolation not in INTERPOLATIONS:
        raise InputError(f"interpolation {interpolation!r} is not known: {', '.join(INTERPOLATIONS)} are read")
    if not 0 < share <= 1:
        raise InputError(f"crop_pct {share:g} shows images with a black frame: only shares up to 1 are read")
    return Looks(
        _statistic("mean", config.get("mean"), default.mean, channels),
        _statistic("std", config.get("std"), default.std, channels),
        share, interpolation, fit=FITS[mode], floors=True,
        exact=((height, width), (math.floor(height / share), math.floor(width / share))),
    )  # fmt: skip


def _statistic(field: str, value: Any, default: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One number for each channel; a single one counts for all, as timm has it; grey images may have colours'."""
    if value in (None, [], ()):
        return default
    found = numbers(field, value, positive=field == "std")
    if len(found) == 1:
        return found * channels
    if len(found) != channels and (len(found), channels) != (len(default), 1):
        raise InputError(f"{field} is {value!r}: {len(found)} numbers for a network of {channels} input channels")
    return found


def _refuse_other_networks(config: Mapping[str, Any]) -> None:
    arguments = config.get("model_args") or {}
    pooling = arguments.get("global_pool", config.get("global_pool")) or ""
    if pooling not in POOLINGS:
        raise InputError(f"global_pool {pooling!r}: pocketvision's networks average over the last map")
    unknown = next((key for key, value in arguments.items() if key not in HARMLESS and value is not None), None)
    if unknown is not None:
        raise InputError(f"model_args has {unknown} {arguments[unknown]!r}, which makes another network of it")

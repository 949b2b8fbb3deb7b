"""What preprocessor_config.json, of transformers' image processors, says of how images are shown.

Source: `image_processing_backends.py` there (the one of Pillow; that of torchvision differs by rounding). Every field
that changes pixels is honoured, or refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocketvision.errors import InputError
from pocketvision.units import counted
from pocketvision.weights.looks import Looks, Size, numbers

RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}  # Pillow's numbers
HONOURED = {
    "do_resize", "size", "default_to_square", "resample", "do_center_crop", "crop_size", "do_rescale",
    "rescale_factor", "do_normalize", "image_mean", "image_std",
}  # fmt: skip
# What does not change the pixels of one RGB image; further fields matter where they are set.
OTHER = {
    "image_processor_type", "feature_extractor_type", "processor_class", "do_convert_rgb", "do_reduce_labels",
    "data_format", "input_data_format", "return_tensors", "device", "disable_grouping", "_valid_processor_keys",
    "auto_map", "num_channels",
}  # fmt: skip


def read_looks(config: Mapping[str, Any], channels: int) -> Looks:
    """Of a config for a network of so many channels. InputError for what is not had here."""
    for key, value in config.items():
        if key not in HONOURED | OTHER and value not in (None, False, [], {}):
            raise InputError(f"its image processor has {key} {value!r}, which is not known here")
    if not config.get("do_resize", True):
        raise InputError("its image processor has do_resize false: images of any size, which no network here takes")
    size, stretched = _size(config.get("size", {"shortest_edge": 256}), bool(config.get("default_to_square", False)))
    crop = size
    if config.get("do_center_crop", True):
        crop, _ = _size(config.get("crop_size", 224), square=True)
    elif not stretched:
        raise InputError("its image processor has do_center_crop false: its size has to give both sides")
    resample = config.get("resample", 2)
    if resample not in RESAMPLE:
        raise InputError(f"its image processor has resample {resample!r}: Pillow's {min(RESAMPLE)} to {max(RESAMPLE)}")
    mean, std = _statistics(config, channels)
    share = min(crop[0] / size[0], crop[1] / size[1])
    return Looks(
        mean, std, share, RESAMPLE[resample], fit="stretch" if stretched else "cover", crop_floor=True,
        exact=(crop, size),
    )  # fmt: skip


def _size(size: Any, square: bool) -> tuple[Size, bool]:
    """The size before or after the crop, and whether images are stretched to it."""
    if isinstance(size, dict):
        sides = {key: value for key, value in size.items() if value is not None}
        if set(sides) == {"shortest_edge"}:
            return (int(sides["shortest_edge"]), int(sides["shortest_edge"])), False
        if unknown := sorted(set(sides) - {"height", "width"}):
            raise InputError(f"its image processor gives a size by {', '.join(unknown)}, which is not known here")
        return (int(sides["height"]), int(sides["width"])), True
    if isinstance(size, list | tuple):
        height, width = (int(side) for side in size)
        return (height, width), True
    return (int(size), int(size)), square


def _statistics(config: Mapping[str, Any], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of values in 0..1."""
    found = []
    for key, nothing in (("image_mean", 0.0), ("image_std", 1.0)):
        given = config.get(key, 0.5)
        values = numbers(f"{key} of its image processor", given, positive=key == "image_std")
        values = values if isinstance(given, list | tuple) else values * channels
        if len(values) != channels:
            raise InputError(f"images of {counted(len(values), 'channel')} for a network of {channels}")
        found.append(values if config.get("do_normalize", True) else (nothing,) * channels)
    (factor,) = numbers("rescale_factor of its image processor", config.get("rescale_factor", 1 / 255), positive=True)
    factor = factor * 255 if config.get("do_rescale", True) else 255.0
    mean, std = (tuple(value / factor for value in values) for values in found)
    return mean, std

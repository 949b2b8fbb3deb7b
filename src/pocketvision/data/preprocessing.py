"""What happens to an image before the network, as data: it travels with the weights into every file we write."""

import math
from dataclasses import dataclass, replace
from typing import Any

from pocketvision.errors import InputError
from pocketvision.units import counted, percent

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
RESIZE_RATIO = 0.875  # 224 / 256: how much of the resized image's side the centre crop keeps
SMALL = 64  # px; up to here images are icons, digits, patches: nothing is cropped away
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "nearest", "box", "hamming")  # Pillow's
FITS = ("cover", "stretch", "pad")
LATER = ("interpolation", "crop_first", "fit", "crop_floor")  # fields that files of earlier releases do not have


@dataclass(frozen=True)
class Preprocessing:
    """Resize until the image just covers `resize`, crop `resolution` from the centre, then (x / 255 - mean) / std.

    With `fit` "stretch" the image is resized to `resize` exactly, whatever its aspect (timm's "squash"); with "pad"
    until it just fits in, and what is missing is filled with the mean (timm's "border").

    With `crop_first` the same part of the image is cut out before it is resized, in whole pixels: the order of
    TensorFlow's evaluation, which however squeezes what is not square. Here the aspect is kept.
    """

    resolution: tuple[int, int]  # height, width of the network's input, px
    resize: tuple[int, int]  # height, width of the box to cover before the centre crop, px
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN  # of values in 0..1, one per channel
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"  # one of INTERPOLATIONS; all but "nearest" antialiased
    crop_first: bool = False
    fit: str = "cover"  # one of FITS
    crop_floor: bool = False  # the crop's offset is rounded down (transformers), not half to even (torchvision)

    def __post_init__(self) -> None:
        height, width = self.resolution
        if min(height, width) < 1 or self.resize[0] < height or self.resize[1] < width:
            raise InputError(
                f"preprocessing: resolution {self.resolution} px, resize {self.resize} px; "
                "give a resolution of at least 1 x 1 and a resize of at least that"
            )
        lengths = {len(self.mean), len(self.std), max(1, self.channels)}
        if lengths != {self.channels} or not all(map(math.isfinite, self.mean + self.std)) or min(self.std) <= 0:
            raise InputError(
                f"preprocessing: {counted(self.channels, 'channel')}, mean {self.mean}, std {self.std}; "
                "give at least one channel, and one finite mean and one positive, finite std for each"
            )
        if self.interpolation not in INTERPOLATIONS:
            raise InputError(f"preprocessing: interpolation {self.interpolation!r}; give {' or '.join(INTERPOLATIONS)}")
        if self.fit not in FITS or (self.crop_first and self.fit != "cover"):
            raise InputError(
                f"preprocessing: fit {self.fit!r}; give {' or '.join(FITS)}, and what is cropped first covers"
            )

    def described(self) -> str:
        """In words: what is done to an image, in order."""
        (height, width), (box_height, box_width) = self.resolution, self.resize
        size, box = _sides(height, width), _sides(box_height, box_width)
        if self.fit != "cover":
            fitted = "stretched to" if self.fit == "stretch" else "fitted into, and filled up to,"
            geometry = f"{fitted} {box} px ({self.interpolation}), the centre {size} px of it"
        elif self.resize == self.resolution:
            geometry = f"shorter side to {size} px ({self.interpolation}), the centre"
        elif self.crop_first:
            geometry = (
                f"the centre, {percent(height / box_height)} of the side, resized to {size} px ({self.interpolation})"
            )
        else:
            geometry = f"shorter side to {box} px ({self.interpolation}), the centre {size} px of it"
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        return f"{geometry}; minus mean {mean}, divided by {std}"

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; `from_json` gives an equal object back."""
        return {
            "resolution": list(self.resolution),
            "resize": list(self.resize),
            "channels": self.channels,
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_first": self.crop_first,
            "fit": self.fit,
            "crop_floor": self.crop_floor,
        }

    @classmethod
    def from_json(cls, content: Any) -> "Preprocessing":
        """Rebuild from `to_json`; what came LATER may be missing and has its default then.

        Raises InputError when another field is missing, and when one is unknown or of the wrong kind.
        """
        try:
            if set(content) | set(LATER) != {"resolution", "resize", "channels", "mean", "std", *LATER}:
                raise ValueError(f"its fields are {', '.join(sorted(map(str, content)))}")
            (height, width), (box_height, box_width) = content["resolution"], content["resize"]
            return cls(
                resolution=(_whole(height), _whole(width)),
                resize=(_whole(box_height), _whole(box_width)),
                channels=_whole(content["channels"]),
                mean=tuple(_finite(value) for value in content["mean"]),
                std=tuple(_finite(value) for value in content["std"]),
                interpolation=content.get("interpolation", cls.interpolation),
                crop_first=_truth(content.get("crop_first", cls.crop_first)),
                fit=content.get("fit", cls.fit),
                crop_floor=_truth(content.get("crop_floor", cls.crop_floor)),
            )
        except InputError:
            raise
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"the description of the preprocessing is damaged ({error}): write the file anew"
            ) from error


def preprocessing_for(resolution: int | tuple[int, int], channels: int = 3) -> Preprocessing:
    """The usual preprocessing for a network with input `resolution` (px, or height and width).

    Above 64 px the image is resized to resolution / 0.875 and its centre cropped; at 64 px and below it is resized to
    the resolution itself. Three channels get ImageNet's statistics, any other number 0.5 and 0.5.
    """
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    ratio = RESIZE_RATIO if max(height, width) > SMALL else 1.0
    resize = (round(height / ratio), round(width / ratio))
    if channels == 3:
        return Preprocessing((height, width), resize)
    return Preprocessing((height, width), resize, channels, mean=(0.5,) * channels, std=(0.5,) * channels)


def shown_whole(p: Preprocessing, side: int) -> Preprocessing:
    """`p` without its crop where the images themselves are small (`side` px), at whatever resolution they are shown."""
    return replace(p, resize=p.resolution) if side <= SMALL else p


def _sides(height: int, width: int) -> str:
    return str(height) if height == width else f"{height} x {width}"


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")
    return value


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)

"""The one path from an image to the uint8 pixels a network sees.

Training, prediction and every runtime go through `prepare`, so that they cannot disagree: decode with Pillow, turn as
EXIF says, resize (antialiased bilinear, or bicubic) until the image just covers a box, crop the centre. The pixels are
those of torchvision's `Resize(256)` and `CenterCrop(224)` on a PIL image, bit for bit. Nothing here needs torch.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pocketvision.data.decode import Pixels, blaming, decode, from_array, from_pil, refuse_bomb
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.kept import once
from pocketvision.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, preprocessing_for

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "ImageFile",
    "Pixels",
    "Preprocessing",
    "decode",
    "decoded",
    "preprocessing_for",
    "prepare",
    "resize_crop",
]


def prepare(image: str | Path | ImageFile | bytes | Image.Image | NDArray[Any], p: Preprocessing) -> Pixels:
    """Any image -> the uint8 H x W x C pixels at `p.resolution` that the network sees. The one path, used everywhere.

    Bytes are an encoded image; arrays are H x W or H x W x C in RGB order, uint8 or floats from 0 to 1; PyTorch's
    tensors C x H x W too. Raises InputError when the image
    cannot be read or used.
    """
    if isinstance(image, str | Path):
        image = ImageFile(Path(image))
    if isinstance(image, ImageFile):
        file = image
        return once(file, p, lambda: _resized(decoded(file, p.channels, share=0.5), p, file.name)).copy()
    if isinstance(image, bytes):
        name, pixels = "given as bytes", decode(image, p.channels)
    else:
        name = str(getattr(image, "filename", "") or "given in memory")
        with blaming(name):
            pixels = from_pil(image, p.channels) if isinstance(image, Image.Image) else from_array(image, p.channels)
    return _resized(pixels, p, name)


def decoded(image: ImageFile, channels: int, share: float = 0.25) -> Pixels:
    """`decode(image, channels)`, of images that a job needs several times; see `kept`. Not to be written to.

    `share`: how far the room for kept images may be filled with it. Training images may take less than those held out,
    which are asked for more often, and whole pictures less than small ones.
    """
    return once(image, channels, lambda: decode(image, channels), share)


def _resized(pixels: Pixels, p: Preprocessing, name: str) -> Pixels:
    with blaming(name):  # an image of 1 x 10,000 px would be enlarged without end
        return resize_crop(pixels, p)


def resize_crop(image: Pixels, p: Preprocessing) -> Pixels:
    """Fit H x W x C pixels to `p.resize`, and crop the centre at `p.resolution`. Smaller images are enlarged.

    Equal to torchvision's `Resize(short side)` + `CenterCrop` on a PIL image where the box is square; of any other box,
    stretched and padded to timm's evaluation (its crop_mode); with `p.crop_floor` to transformers' image processors.
    Raises ValueError when the image is so elongated that it would not fit into memory.

    With `p.crop_first` the part that would be seen is cut out (sides and offsets rounded down), then resized to
    `p.resolution`: with a square box, int(share * short side) square.
    """
    channels, (crop_height, crop_width) = image.shape[2], p.resolution
    if p.crop_first:
        image = _cut_out(image, p)
        new_height, new_width, top, left = crop_height, crop_width, 0, 0
    else:
        new_height, new_width = _fitted(image.shape[0], image.shape[1], p)
        top = _offset(new_height, crop_height, p.crop_floor)
        left = _offset(new_width, crop_width, p.crop_floor)
    refuse_bomb(new_height * new_width)
    resampling = Image.Resampling[p.interpolation.upper()]
    inside = top >= 0 and left >= 0
    fill = tuple(round(255 * mean) for mean in p.mean)

    def one(band: Pixels, colour: int | tuple[int, ...]) -> Pixels:
        resized = Image.fromarray(band).resize((new_width, new_height), resampling)
        if inside:
            return np.array(resized.crop((left, top, left + crop_width, top + crop_height)))
        canvas = Image.new(resized.mode, (crop_width, crop_height), colour)
        canvas.paste(resized, (-left, -top))
        return np.array(canvas)

    if channels == 3:
        return one(image, fill)
    # One by one: Pillow has no mode for most numbers, and would weight four channels by the last, as if it were alpha.
    return np.stack([one(image[:, :, index], fill[index]) for index in range(channels)], axis=2)


def _fitted(height: int, width: int, p: Preprocessing) -> tuple[int, int]:
    """Height and width that an image gets before the crop."""
    box_height, box_width = p.resize
    if p.fit == "stretch":
        return box_height, box_width
    if p.fit == "cover" and box_height == box_width:  # torchvision: the long side rounded down
        short = min(height, width)
        return box_height * height // short, box_width * width // short
    ratios = height / box_height, width / box_width  # timm: both sides rounded
    ratio = min(ratios) if p.fit == "cover" else max(ratios)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _offset(side: int, crop: int, floor: bool) -> int:
    """Where the crop begins, px; negative by what is to be filled before an image that is smaller."""
    if side < crop:
        return -((crop - side) // 2)
    return (side - crop) // 2 if floor else round((side - crop) / 2)


def _cut_out(image: Pixels, p: Preprocessing) -> Pixels:
    """The centre that would be seen, in whole pixels of the image itself."""
    height, width, _ = image.shape
    (box_height, box_width), (crop_height, crop_width) = p.resize, p.resolution
    by_height = box_height * width >= box_width * height  # wider than the box: the height decides
    side, box = (height, box_height) if by_height else (width, box_width)
    cut_height, cut_width = max(1, crop_height * side // box), max(1, crop_width * side // box)
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return image[top : top + cut_height, left : left + cut_width]

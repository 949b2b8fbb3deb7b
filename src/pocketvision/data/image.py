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
    """Resize H x W x C pixels to just cover `p.resize`, keeping the aspect, and crop the centre at `p.resolution`.

    Equal to torchvision's `Resize(short side)` + `CenterCrop` on a PIL image (antialiased, long side
    int(size * long / short), crop offset rounded half to even). Smaller images are enlarged. Raises ValueError when the
    image is so elongated that it would not fit into memory.

    With `p.crop_first` the part that would be seen is cut out (sides and offsets rounded down), then resized to
    `p.resolution`: with a square box, int(share * short side) square.
    """
    height, width, channels = image.shape
    (box_height, box_width), (crop_height, crop_width) = p.resize, p.resolution
    by_height = box_height * width >= box_width * height  # wider than the box: the height decides
    if p.crop_first:
        side, box = (height, box_height) if by_height else (width, box_width)
        cut_height, cut_width = max(1, crop_height * side // box), max(1, crop_width * side // box)
        top, left = (height - cut_height) // 2, (width - cut_width) // 2
        image = image[top : top + cut_height, left : left + cut_width]
        new_height, new_width, top, left = crop_height, crop_width, 0, 0
    else:
        new_height = box_height if by_height else box_width * height // width
        new_width = box_height * width // height if by_height else box_width
        top, left = round((new_height - crop_height) / 2), round((new_width - crop_width) / 2)
    refuse_bomb(new_height * new_width)
    corners = (left, top, left + crop_width, top + crop_height)
    resampling = Image.Resampling[p.interpolation.upper()]

    def one(band: Pixels) -> Pixels:
        return np.array(Image.fromarray(band).resize((new_width, new_height), resampling).crop(corners))

    if channels == 3:
        return one(image)
    # One by one: Pillow has no mode for most numbers, and would weight four channels by the last, as if it were alpha.
    return np.stack([one(image[:, :, index]) for index in range(channels)], axis=2)

"""Encoded image bytes, a PIL image or an array -> upright uint8 pixels with the channels a network takes."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pocketvision.data.arrays import as_array, from_fractions, with_channels_first
from pocketvision.data.formats import INSTALL_HEIF, heif_installed, is_heif
from pocketvision.data.imagefile import ImageFile, one_line
from pocketvision.errors import InputError
from pocketvision.units import counted

Pixels = NDArray[np.uint8]  # height x width x channels

# The formats we hand to Pillow. Not all it knows: some of its plugins run programs (EPS starts Ghostscript).
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO", "JPEG2000", "AVIF", "HEIF")
MAX_PIXELS = 89_478_485  # where Pillow begins to suspect a decompression bomb
LARGE = 16_000_000  # pixels; above, one image is decoded at a time, however many threads there are
TOO_LARGE = f"it would take more than {MAX_PIXELS / 1e6:.0f} megapixels: scale or crop it first"

_one_large = threading.Lock()

# EXIF orientation -> how to turn the stored pixels upright (EXIF 2.3, tag 0x0112)
ORIENTATION_TAG = 0x0112
TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Between one and two times its threshold Pillow only warns. We refuse such images ourselves, in one sentence, so the
# warning would be a second message. (A filter per call, by catch_warnings, is neither thread-safe nor free.)
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(image: bytes | ImageFile | str | Path, channels: int = 3, name: str = "") -> Pixels:
    """Encoded image -> uint8 H x W x channels, upright (EXIF), RGB for 3 channels, grey for 1.

    Any other number of channels must be what the file holds. Transparency is dropped; 16-bit grey is scaled to 8 bits.
    Raises InputError when the image is missing, truncated, too large, or not an image. `name` is for that message.
    """
    if isinstance(image, str | Path):
        image = ImageFile(Path(image))
    if isinstance(image, ImageFile):
        name = name or image.name
        image = image.read()
    if not image:
        raise InputError(f"cannot read image {name or 'given as bytes'}: it is empty, not an image")
    if is_heif(image) and not heif_installed():
        raise InputError(f"cannot read image {name or 'given as bytes'}: it is HEIC, to read it {INSTALL_HEIF}")
    with blaming(name or "given as bytes"), Image.open(io.BytesIO(image), formats=_formats()) as opened:
        return from_pil(opened, channels)


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Turn what goes wrong inside into `cannot read image NAME: why`."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise InputError(f"cannot read image {name}: not an image we can read (JPEG, PNG, WebP, TIFF, ...)") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"cannot read image {name}: {TOO_LARGE}") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged bytes
        raise InputError(f"cannot read image {name}: {one_line(error)}") from error


def from_pil(image: Image.Image, channels: int) -> Pixels:
    """Upright uint8 H x W x channels of a PIL image. Raises ValueError when it has other channels, or too many pixels.

    A file that was opened but not yet read may raise anything; see `blaming`.
    """
    refuse_bomb(image.width * image.height)
    with _one_large if image.width * image.height > LARGE else nullcontext():
        return _upright(image, channels)


def _upright(image: Image.Image, channels: int) -> Pixels:
    image.load()
    turn = TURN.get(_orientation(image))
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range; save it with 8 or 16 bits")
    if channels in (1, 3):
        if image.has_transparency_data:  # seen as on a white page: hidden colours are often black, or noise
            seen = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
        wanted = "RGB" if channels == 3 else "L"
        image = image if image.mode == wanted else image.convert(wanted)
    elif image.mode in ("P", "PA") or len(image.getbands()) != channels:
        raise ValueError(f"it is stored as {image.mode}, the network takes {counted(channels, 'channel')}")
    pixels = np.array(image if turn is None else image.transpose(turn))  # a copy: Pillow's own memory is read-only
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def from_array(array: NDArray[Any], channels: int) -> Pixels:
    """H x W or H x W x C (RGB order), uint8 or floats from 0 to 1, or a tensor -> uint8 H x W x channels.

    Raises ValueError for anything else.
    """
    array = as_array(array, channels)
    if array.dtype.kind == "f" and array.ndim in (2, 3):
        array = from_fractions(array)
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ValueError(f"it is {array.dtype} of shape {array.shape}, not uint8 height x width (x channels)")
    array = array[:, :, None] if array.ndim == 2 else array
    refuse_bomb(array.shape[0] * array.shape[1])
    found = array.shape[2]
    if found == channels:
        return array
    if found in (1, 3, 4) and channels in (1, 3):
        return from_pil(Image.fromarray(array[:, :, 0] if found == 1 else array), channels)
    hint = with_channels_first(array, channels)
    raise ValueError(f"it has {counted(found, 'channel')}, the network takes {channels}{hint}")


def refuse_bomb(pixels: int) -> None:
    """Raise ValueError for a number of pixels that only an attack, or a mistake, asks us to hold in memory."""
    if pixels > MAX_PIXELS:
        raise ValueError(TOO_LARGE)
    if pixels == 0:
        raise ValueError("it has no pixels")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels, which are fine: taken as upright
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey (modes I;16 and, for older Pillow, I) -> 8 bits by rounding v / 257; Pillow's convert would clip."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are 32-bit numbers of unknown range; save it with 8 or 16 bits")
    rounded = ((np.arange(65536) + 128) // 257).astype(np.uint8)
    return Image.fromarray(rounded[values])


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    Image.init()
    heif_installed()  # adds HEIF to what Pillow opens, if it is
    return tuple(format for format in FORMATS if format in Image.OPEN)

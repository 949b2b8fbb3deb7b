"""From encoded images to the network's pixels: torchvision's numbers, upright, not clipped, honest about damage."""

import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datafolders import on_white
from pocketvision.data import decode as decoding
from pocketvision.data.image import ImageFile, Preprocessing, decode, prepare, preprocessing_for, resize_crop
from pocketvision.data.preprocessing import shown_whole
from pocketvision.errors import InputError


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(pixels: np.ndarray | Image.Image, format: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.squeeze())
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


# --- preprocessing


@pytest.mark.parametrize(
    ("resolution", "resize"),
    [(224, (256, 256)), (192, (219, 219)), (65, (74, 74)), (64, (64, 64)), (8, (8, 8)), ((96, 160), (110, 183))],
)
def test_default_preprocessing(resolution: int | tuple[int, int], resize: tuple[int, int]) -> None:
    assert preprocessing_for(resolution).resize == resize


def test_default_statistics() -> None:
    assert preprocessing_for(224).mean == (0.485, 0.456, 0.406)
    assert preprocessing_for(224).std == (0.229, 0.224, 0.225)
    assert preprocessing_for(32, channels=1) == Preprocessing((32, 32), (32, 32), 1, (0.5,), (0.5,))


def test_preprocessing_survives_json() -> None:
    p = Preprocessing((96, 160), (110, 183), 2, (0.1, 0.2), (0.3, 1.0), "bicubic", crop_first=True)
    assert Preprocessing.from_json(p.to_json()) == p


def test_preprocessing_of_earlier_files() -> None:
    """They have neither field that came later, or one of them."""
    written = preprocessing_for(224).to_json()
    del written["crop_first"]
    assert Preprocessing.from_json(written) == preprocessing_for(224)
    del written["interpolation"]
    assert Preprocessing.from_json(written) == preprocessing_for(224)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": [0, 0]},
        {"resolution": [300, 300]},  # larger than the resized image
        {"resolution": [224]},
        {"resolution": [224.5, 224]},
        {"resolution": "224"},
        {"channels": 0, "mean": [], "std": []},
        {"channels": 1},
        {"channels": True},
        {"mean": [0.5, 0.5, float("nan")]},
        {"std": [0.2, 0.2, 0]},
        {"mean": None},
        {"colour": "BGR"},
        {"interpolation": "cubic"},
        {"interpolation": None},
        {"interpolation": ["bicubic"]},
        {"crop_first": 1},
    ],
)
def test_bad_preprocessing(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="preprocessing"):
        Preprocessing.from_json(preprocessing_for(224).to_json() | change)


@pytest.mark.parametrize("content", [None, [], "text", {}, 3, ["resolution", "resize", "channels", "mean", "std"]])
def test_preprocessing_that_is_none(content: Any) -> None:
    with pytest.raises(InputError, match="damaged"):
        Preprocessing.from_json(content)


# --- resizing


def torchvision_pixels(image: Image.Image, resize: int, crop: int, interpolation: str = "bilinear") -> np.ndarray:
    transforms = pytest.importorskip("torchvision.transforms")
    resized = transforms.Resize(resize, transforms.InterpolationMode(interpolation))(image)
    return np.asarray(transforms.CenterCrop(crop)(resized))


SIZES = [
    (256, 256),
    (257, 256),
    (224, 500),
    (500, 375),
    (333, 499),
    (31, 47),
    (256, 1),
    (1, 3),
    (100, 2001),
    (767, 768),
]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (219, 192), (221, 193), (64, 64)])
def test_resize_crop_is_torchvisions(height: int, width: int, resize: int, crop: int) -> None:
    pixels = noise(height, width)
    ours = resize_crop(pixels, Preprocessing((crop, crop), (resize, resize)))
    assert np.array_equal(ours, torchvision_pixels(Image.fromarray(pixels), resize, crop))
    assert ours.flags.writeable and ours.flags.c_contiguous


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_resize_crop_is_torchvisions_bicubic(height: int, width: int) -> None:
    pixels = noise(height, width)
    ours = resize_crop(pixels, Preprocessing((224, 224), (236, 236), interpolation="bicubic"))
    assert np.array_equal(ours, torchvision_pixels(Image.fromarray(pixels), 236, 224, "bicubic"))


@pytest.mark.parametrize(("height", "width"), [(320, 320), (320, 427), (500, 321), (90, 33), (1, 3)])
@pytest.mark.parametrize(("resize", "resolution"), [(256, 224), (146, 128), (64, 64)])
def test_crop_first(height: int, width: int, resize: int, resolution: int) -> None:
    """The middle square with resolution / resize of the shorter side, cut out of the original pixels."""
    pixels = noise(height, width)
    side = max(1, int(min(height, width) * resolution / resize))
    top, left = (height - side) // 2, (width - side) // 2
    part = Image.fromarray(pixels).crop((left, top, left + side, top + side))
    for name, resampling in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        p = Preprocessing((resolution, resolution), (resize, resize), interpolation=name, crop_first=True)
        assert np.array_equal(resize_crop(pixels, p), np.asarray(part.resize((resolution, resolution), resampling)))


@pytest.mark.parametrize(("height", "width"), [(400, 600), (610, 305), (300, 2000)])
def test_crop_first_shows_the_same_part(height: int, width: int) -> None:
    """Up to rounding, whatever the aspect of the box: on a smooth ramp the two orders see the same values."""
    down, across = np.mgrid[:height, :width]
    pixels = np.stack([255 * down / height, 255 * across / width, 0 * down], axis=2).astype(np.uint8)
    usual = Preprocessing((96, 160), (110, 183))
    first = resize_crop(pixels, replace(usual, crop_first=True)).astype(int)
    assert first.shape == (96, 160, 3) and np.abs(first - resize_crop(pixels, usual)).max() <= 3


def test_another_resolution_keeps_how_images_are_shown() -> None:
    ship = pytest.importorskip("pocketvision.fitting.ship")
    from pocketvision import create_model

    net = create_model("mobilenet_v1", width=0.25, resolution=96, classes=2)
    half = (0.5, 0.5, 0.5)
    net.preprocessing = Preprocessing((96, 96), (110, 110), 3, half, half, "bicubic", crop_first=True)
    for resize, expected in ((None, (146, 146)), (160, (160, 160))):
        shown = ship.at_resolution(net, 128, resize).preprocessing
        assert shown == replace(net.preprocessing, resolution=(128, 128), resize=expected)


def test_crop_first_in_other_channels() -> None:
    pixels = noise(50, 70, 5)
    p = replace(preprocessing_for(96, 5), crop_first=True)
    one = replace(preprocessing_for(96, 1), crop_first=True)
    ours = prepare(pixels, p)
    assert ours.shape == (96, 96, 5)
    for index in range(5):
        assert np.array_equal(ours[:, :, index : index + 1], prepare(pixels[:, :, index], one))


def test_resize_crop_is_torchvisions_in_grey() -> None:
    pixels = noise(123, 77, 1)
    p = Preprocessing((224, 224), (256, 256), 1, (0.5,), (0.5,))
    ours = prepare(pixels, p)
    assert ours.shape == (224, 224, 1)
    assert np.array_equal(ours[:, :, 0], torchvision_pixels(Image.fromarray(pixels[:, :, 0]), 256, 224))


def test_resize_crop_is_torchvisions_on_photographs(shared: Path) -> None:
    with tarfile.open(shared / "data" / "imagenet_sample.tar") as tar:
        photographs = [member for member in tar if member.name.endswith(".jpg")][::15]
        for member in photographs:
            file = tar.extractfile(member)
            assert file is not None
            data = file.read()
            expected = torchvision_pixels(Image.open(io.BytesIO(data)).convert("RGB"), 256, 224)
            place = ImageFile(shared / "data" / "imagenet_sample.tar", member.name, member.offset_data, member.size)
            assert np.array_equal(prepare(place, preprocessing_for(224)), expected), member.name
    assert len(photographs) == 20


def test_resize_crop_at_the_same_size_changes_nothing() -> None:
    pixels = noise(32, 32)
    assert np.array_equal(resize_crop(pixels, preprocessing_for(32)), pixels)


@pytest.mark.parametrize(("height", "width"), [(100, 100), (40, 300), (300, 40)])
def test_a_box_that_is_not_square_is_just_covered(height: int, width: int) -> None:
    """A white frame at the crop's edge: at most the long side may lose it."""
    p = Preprocessing((96, 160), (96, 160))
    ours = resize_crop(noise(height, width), p)
    assert ours.shape == (96, 160, 3)
    scale = max(96 / height, 160 / width)
    whole = Image.fromarray(noise(height, width)).resize((int(width * scale + 1e-9), int(height * scale + 1e-9)), 2)
    left, top = round((whole.width - 160) / 2), round((whole.height - 96) / 2)
    assert np.array_equal(ours, np.asarray(whole.crop((left, top, left + 160, top + 96))))


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_of_channels_are_resized_one_by_one(channels: int) -> None:
    pixels = noise(50, 70, channels)
    p = preprocessing_for(96, channels)
    ours = prepare(pixels, p)
    assert ours.shape == (96, 96, channels)
    for index in range(channels):
        assert np.array_equal(ours[:, :, index : index + 1], prepare(pixels[:, :, index], preprocessing_for(96, 1)))


def test_all_kinds_of_input_give_the_same_pixels(tmp_path: Path) -> None:
    pixels, p = noise(60, 90), preprocessing_for(72)
    data = encoded(pixels)
    (tmp_path / "a.png").write_bytes(data)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "a.png", "deep/a.png")
    with tarfile.open(tmp_path / "a.tar") as tar:
        offset = tar.getmembers()[0].offset_data
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/a.png", data)
    images: list[Any] = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        ImageFile(tmp_path / "a.png"),
        ImageFile(tmp_path / "a.tar", "deep/a.png", offset, len(data)),
        ImageFile(tmp_path / "a.zip", "deep/a.png"),
        Image.fromarray(pixels),
        Image.open(io.BytesIO(data)),
        data,
        pixels,
        np.asfortranarray(pixels),
    ]
    assert offset > 0
    expected = resize_crop(pixels, p)
    for image in images:
        assert np.array_equal(prepare(image, p), expected), image


# --- decoding


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_image_upright(orientation: int) -> None:
    from PIL import ImageOps

    image = Image.fromarray(noise(16, 24))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, "JPEG", exif=exif, quality=95)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    upright = decode(data)
    assert upright.shape == ((24, 16, 3) if orientation > 4 else (16, 24, 3))
    assert np.array_equal(upright, expected)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 128, 257, 4096, 32768, 65535]], dtype=np.uint16)
    for data in (encoded(Image.fromarray(values)), encoded(Image.fromarray(values), "TIFF")):
        assert decode(data, 1)[0, :, 0].tolist() == [0, 0, 1, 16, 128, 255]
        assert decode(data, 3)[0].tolist() == [[v] * 3 for v in (0, 0, 1, 16, 128, 255)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_stored_modes_become_rgb_and_grey(mode: str) -> None:
    image = Image.fromarray(noise(9, 7)).convert(mode)
    data = encoded(image, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    assert np.array_equal(decode(data, 3), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert np.array_equal(decode(data, 1)[:, :, 0], np.asarray(Image.open(io.BytesIO(data)).convert("L")))


def test_what_is_transparent_is_seen_on_white() -> None:
    pixels = noise(9, 7, 4)
    expected = on_white(pixels[:, :, :3], pixels[:, :, 3])
    assert np.abs(decode(encoded(pixels), 3) - expected).max() <= 1
    grey = Image.merge("LA", [Image.fromarray(pixels[:, :, 0]), Image.fromarray(pixels[:, :, 3])])
    assert np.abs(decode(encoded(grey), 1)[:, :, 0] - on_white(pixels[:, :, 0], pixels[:, :, 3])).max() <= 1
    hidden = encoded(np.zeros((4, 4, 4), np.uint8))
    assert (decode(hidden, 3) == 255).all() and (decode(hidden, 1) == 255).all()


def test_a_palette_with_transparency_is_read_without_a_warning() -> None:
    image = Image.fromarray(noise(9, 7)).convert("P")
    data = encoded(image, transparency=bytes(range(256)))
    expected = on_white(np.asarray(image.convert("RGB")), np.asarray(image))
    assert np.abs(decode(data) - expected).max() <= 1


def test_four_channels_are_taken_as_stored() -> None:
    pixels = noise(5, 6, 4)
    assert np.array_equal(decode(encoded(pixels), 4), pixels)
    with pytest.raises(InputError, match="stored as RGB, the network takes 4 channels"):
        decode(encoded(noise(5, 6)), 4)


def test_decoded_pixels_can_be_written_to() -> None:
    assert decode(encoded(noise(5, 6, 1)), 1).flags.writeable


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be huge, like a decompression bomb: the header of a small one with other numbers."""
    import struct
    import zlib

    data = encoded(noise(2, 2))
    chunk = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


BAD_BYTES = {
    "empty": (b"", "not an image"),
    "text": (b"hello, this is not an image at all", "not an image"),
    "truncated jpeg": (encoded(noise(64, 64), "JPEG")[:900], "truncated"),
    "truncated png": (encoded(noise(64, 64))[:4000], "truncated"),
    "only a header": (encoded(noise(64, 64))[:20], "(?i)truncated"),
    "damaged png": (encoded(noise(64, 64)).replace(b"IDAT", b"IDBT"), "cannot read"),
    "bomb that pillow warns of": (png_header(10_000, 10_000), "more than 89 megapixels: scale or crop"),
    "bomb that pillow refuses": (png_header(60_000, 60_000), "more than 89 megapixels: scale or crop"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
    "floating point": (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "floating-point"),
    "32 bits": (encoded(Image.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"), "32-bit"),
}


@pytest.mark.parametrize("kind", BAD_BYTES)
def test_bad_images(tmp_path: Path, kind: str) -> None:
    data, message = BAD_BYTES[kind]
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    images: tuple[Path | bytes, ...] = (path, data)
    for image in images:
        with pytest.raises(InputError, match=message) as caught:
            prepare(image, preprocessing_for(224))
        assert str(caught.value).startswith(f"cannot read image {path if image is path else 'given as bytes'}: "), kind
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as outside of these tests
def test_an_image_between_pillows_warning_and_its_error() -> None:
    assert decoding.MAX_PIXELS == Image.MAX_IMAGE_PIXELS
    with pytest.raises(InputError, match="more than 89 megapixels"):
        decode(png_header(10_000, 10_000))


BAD_ARRAYS: dict[str, np.ndarray] = {
    "float of 0 to 255": np.full((4, 4, 3), 128.0),
    "normalised": np.full((4, 4, 3), -0.5),
    "not a number": np.full((4, 4, 3), np.nan),
    "whole numbers of 64 bits": np.zeros((4, 4, 3), np.int64),
    "objects": np.array([["a", None], [1, 2]], object),
    "channels first": np.zeros((3, 40, 50), np.uint8),
    "one-dimensional": np.zeros(4, np.uint8),
    "a batch": np.zeros((1, 4, 4, 3), np.uint8),
    "empty": np.zeros((0, 4, 3), np.uint8),
    "two channels": np.zeros((4, 4, 2), np.uint8),
    "one long line": np.zeros((1, 3000, 3), np.uint8),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_bad_arrays(kind: str) -> None:
    with pytest.raises(InputError, match="cannot read image given in memory: (it|its numbers) "):
        prepare(BAD_ARRAYS[kind], preprocessing_for(224))


def test_grey_and_colour_arrays_are_converted() -> None:
    p1, p3 = preprocessing_for(8, 1), preprocessing_for(8)
    grey = noise(8, 8, 1)
    assert np.array_equal(prepare(grey, p3), np.repeat(grey, 3, axis=2))
    assert np.array_equal(prepare(grey[:, :, 0], p1), grey)
    colour = noise(8, 8, 4)
    seen = on_white(colour[:, :, :3], colour[:, :, 3]).astype(np.uint8)
    assert np.abs(prepare(colour, p3) - seen.astype(int)).max() <= 1
    assert np.abs(prepare(colour, p1)[:, :, 0] - np.asarray(Image.fromarray(seen).convert("L"), dtype=int)).max() <= 1


# --- places


def test_a_missing_or_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"image .*gone\.png: not found"):
        prepare(tmp_path / "gone.png", preprocessing_for(8))
    with pytest.raises(InputError, match="cannot read image .*: is a directory|cannot read image .*: Is a directory"):
        prepare(tmp_path, preprocessing_for(8))


def test_members_that_vanished(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", b"12345")
    (tmp_path / "a.tar").write_bytes(b"12345")
    assert ImageFile(tmp_path / "a.zip", "a.png").read() == b"12345"
    assert ImageFile(tmp_path / "a.tar", "a.png", 1, 3).read() == b"234"
    with pytest.raises(InputError, match=r"a\.zip/b\.png: no longer in its archive"):
        ImageFile(tmp_path / "a.zip", "b.png").read()
    with pytest.raises(InputError, match=r"a\.tar/a\.png: the archive ends before"):
        ImageFile(tmp_path / "a.tar", "a.png", 1, 30).read()
    (tmp_path / "a.zip").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"cannot read image .*a\.zip/a\.png"):
        ImageFile(tmp_path / "a.zip", "a.png").read()


def test_threads_read_one_zip(tmp_path: Path) -> None:
    contents = {f"{index}.bin": bytes([index]) * (1000 + index) for index in range(64)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    with ThreadPoolExecutor(8) as pool:
        read = pool.map(lambda name: ImageFile(tmp_path / "a.zip", name).read(), list(contents) * 4)
        assert list(read) == list(contents.values()) * 4


def test_small_images_are_shown_whole_at_any_resolution() -> None:
    usual = preprocessing_for(96)
    assert usual.resize == (110, 110) and shown_whole(usual, 400) == usual
    assert shown_whole(usual, 32).resize == shown_whole(usual, 64).resize == (96, 96)

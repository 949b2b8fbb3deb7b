"""A folder of everything that can go wrong with images: right pictures, or a counted and named skip, in little memory.

The commands whose memory is looked at are real second processes. What a picture should look like is computed here with
NumPy alone.
"""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import pocketvision as pv
from conftest import command_environment
from datafolders import on_white
from pocketvision.data.image import decode
from pocketvision.data.sources import open_dataset

HEIGHT, WIDTH = 24, 32
Array = np.ndarray


def picture(seed: int, channels: int = 3) -> Array:
    """Smooth blotches, others for each seed: H x W x channels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    planes = [
        np.asarray(Image.fromarray(coarse[:, :, index]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        for index in range(channels)
    ]
    return np.stack(planes, axis=2)


def stored(image: Image.Image | Array, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    return file.getvalue()


def grey(seed: int) -> Array:
    return picture(seed, 1)[:, :, 0]


def as_rgb(values: Array) -> Array:
    return np.repeat(values[:, :, None], 3, axis=2)


def palette_image(seed: int, **info: Any) -> tuple[Image.Image, Array]:
    indices = grey(seed) // 16
    colours = np.random.default_rng(seed).integers(0, 256, (16, 3), dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    image.info.update(info)
    return image, colours[indices]


def sixteen_bits(seed: int) -> tuple[Image.Image, Array]:
    values = grey(seed).astype(np.uint16) * 200 + 77
    return Image.fromarray(values), as_rgb(np.floor(values / 257 + 0.5).astype(np.uint8))


def turned(seed: int, orientation: int, back: Callable[[Array], Array]) -> tuple[bytes, Array]:
    """Stored as `back` of the picture, with the EXIF tag that says how to turn it upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = picture(seed)
    return stored(np.ascontiguousarray(back(upright)), "PNG", exif=exif), upright


class Good(NamedTuple):
    data: bytes
    pixels: Array
    tolerance: float = 0.0  # mean absolute difference in grey levels, of lossy formats


def good_pictures() -> dict[str, Good]:
    """Name -> bytes and the pixels that a person sees."""
    rgb, found = picture, {}
    for seed, (name, format, options, tolerance) in enumerate(
        [
            ("photo.jpg", "JPEG", {"quality": 95}, 3.0),
            ("PHOTO.JPEG", "JPEG", {"quality": 95, "progressive": True}, 3.0),
            ("plain.png", "PNG", {}, 0),
            ("plain.bmp", "BMP", {}, 0),
            ("plain.tif", "TIFF", {}, 0),
            ("packed.tiff", "TIFF", {"compression": "tiff_lzw"}, 0),
            ("lossless.webp", "WEBP", {"lossless": True}, 0),
            ("lossy.webp", "WEBP", {"quality": 95}, 4.0),
            ("plain.ppm", "PPM", {}, 0),
            ("a png called.jpg", "PNG", {}, 0),
            ('it\'s "quoted".png', "PNG", {}, 0),
            ("\N{ANT} \N{HONEYBEE}.png", "PNG", {}, 0),
            ("n" * 196 + ".png", "PNG", {}, 0),
            ("line\nbreak.png", "PNG", {}, 0),
            ("[bold]brackets[red].png", "PNG", {}, 0),
            (os.fsdecode(b"latin\xe9.png"), "PNG", {}, 0),
        ]
    ):
        found[name] = Good(stored(rgb(seed), format, **options), rgb(seed), tolerance)
    found["grey.jpg"] = Good(stored(grey(30), "JPEG", quality=95), as_rgb(grey(30)), 3.0)
    found["grey.png"] = Good(stored(grey(31), "PNG"), as_rgb(grey(31)))
    two = (grey(32) > 127).astype(np.uint8) * 255
    found["bits.png"] = Good(stored(Image.fromarray(two).convert("1"), "PNG"), as_rgb(two))
    four = picture(33, 4)
    found["alpha.png"] = Good(stored(four, "PNG"), on_white(four[:, :, :3], four[:, :, 3]), 1.0)
    image = Image.merge("LA", [Image.fromarray(grey(34)), Image.fromarray(grey(35))])
    found["grey alpha.png"] = Good(stored(image, "PNG"), on_white(as_rgb(grey(34)), grey(35)), 1.0)
    image, pixels = palette_image(36)
    found["palette.png"] = Good(stored(image, "PNG"), pixels)
    image, pixels = palette_image(37)
    seen = on_white(pixels, grey(37) // 16 * 16)
    found["see-through.png"] = Good(stored(image, "PNG", transparency=bytes(range(0, 256, 16))), seen, 1.0)
    image, pixels = palette_image(38)
    others = [palette_image(39)[0], palette_image(40)[0]]
    found["moving.gif"] = Good(stored(image, "GIF", save_all=True, append_images=others, duration=50), pixels)
    image, pixels = sixteen_bits(41)
    found["deep.png"] = Good(stored(image, "PNG"), pixels)
    image, pixels = sixteen_bits(42)
    found["deep.tif"] = Good(stored(image, "TIFF"), pixels)
    cmyk = picture(43, 4)
    ink = 255 - cmyk.astype(np.int64)
    pixels = np.floor(ink[:, :, :3] * ink[:, :, 3:] / 255 + 0.5).astype(np.uint8)
    image = Image.frombytes("CMYK", (WIDTH, HEIGHT), cmyk.tobytes())
    found["print.tif"] = Good(stored(image, "TIFF"), pixels, 1.0)
    found["print.jpg"] = Good(stored(image, "JPEG", quality=95), pixels, 4.0)
    found["turned 3.png"] = Good(*turned(44, 3, lambda x: x[::-1, ::-1]))
    found["turned 6.png"] = Good(*turned(45, 6, lambda x: np.rot90(x, 1)))
    found["turned 8.png"] = Good(*turned(46, 8, lambda x: np.rot90(x, -1)))
    return found


GOOD = good_pictures()


def huge_png(side: int, rows: bool) -> bytes:
    """A PNG of side x side black pixels, 1 bit each; without `rows`, only the promise of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 + side // 8)) for _ in range(side)) if rows else b""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed + packer.flush()) + chunk(b"IEND", b"")


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(5 << 30)  # 5 GB that take no room on the disk


NOISE = np.random.default_rng(9).integers(0, 256, (64, 64, 3), dtype=np.uint8)

# Name -> (what makes it, what is said of it).
BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut.jpg": (lambda path: path.write_bytes(stored(NOISE, "JPEG")[:1500]), "truncated"),
    "cut.png": (lambda path: path.write_bytes(stored(NOISE, "PNG")[:5000]), "truncated"),
    "cut.webp": (lambda path: path.write_bytes(stored(NOISE, "WEBP")[:400]), ""),
    "cut.gif": (lambda path: path.write_bytes(stored(NOISE, "GIF")[:900]), ""),
    "zero.png": (lambda path: path.write_bytes(b""), "it is empty"),
    "text.jpg": (lambda path: path.write_text("Dear reader, this is no picture."), "not an image"),
    "huge.png": (lambda path: path.write_bytes(huge_png(20_000, rows=True)), "more than 89 megapixels"),
    "bomb.png": (lambda path: path.write_bytes(huge_png(60_000, rows=False)), "more than 89 megapixels"),
    "large file.png": (sparse, "5.4 GB"),
    "line.png": (lambda path: path.write_bytes(stored(np.zeros((1, 3000, 3), np.uint8), "PNG")), "too elongated"),
    "float.tif": (lambda path: path.write_bytes(stored(np.ones((4, 4), np.float32), "TIFF")), "floating-point"),
    "pipe.png": (os.mkfifo, "pipe or a device"),
    "endless.png": (lambda path: path.symlink_to("/dev/zero"), "pipe or a device"),
    "to nowhere.png": (lambda path: path.symlink_to("gone.png"), "not found"),
    "to itself.png": (lambda path: path.symlink_to(path.name), "(?i)symbolic links"),
}
if os.geteuid() != 0:  # root may read anything
    BAD["secret.png"] = (
        lambda path: (path.write_bytes(stored(NOISE, "PNG")), path.chmod(0)),
        "(?i)permission denied",
    )
# classes of val are in another order of appearance than those of train, and bees are missing
GOOD_VAL = {"wasps/1.png": 101, "ants/1.png": 102, "wasps/2.png": 103, "wasps/3.png": 104}


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("torture") / "data"
    for name in ("train/ants", "train/bees", "train/wasps", "val/wasps", "val/ants"):
        (root / name).mkdir(parents=True)
    for name, good in GOOD.items():
        (root / "train" / "ants" / name).write_bytes(good.data)
    for name, (make, _) in BAD.items():
        make(root / "train" / "bees" / name)
    for number in range(20):
        (root / "train" / "bees" / f"{number}.png").write_bytes(stored(picture(200 + number), "PNG"))
        (root / "train" / "wasps" / f"{number}.png").write_bytes(stored(picture(300 + number), "PNG"))
    for name, seed in GOOD_VAL.items():
        (root / "val" / name).write_bytes(stored(picture(seed), "PNG"))
    (root / "val" / "wasps" / "zero.png").write_bytes(b"")
    (root / "train" / "bees" / "round").symlink_to(root)
    (root / "train" / "bees" / "folder.jpg").mkdir()
    return root


class Done(NamedTuple):
    status: int
    out: str
    err: str
    megabytes: float  # most memory that the process ever held


# The command, and at its end the most memory it held. The kernel's own ru_maxrss would count the parent's as well.
WATCHED = """
import atexit, re, runpy, sys
from pathlib import Path

def peak():
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text()) if status.exists() else None
    Path("peak").write_text(found[1] if found else "0")

atexit.register(peak)
runpy.run_module("pocketvision", run_name="__main__")
"""


def run(folder: Path, *arguments: object) -> Done:
    """A real second process, and how much memory it took (0 where the system does not say)."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, arguments)],
        cwd=folder,
        env=command_environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr, int((folder / "peak").read_text()) / 1024)


@pytest.fixture(scope="module")
def examined(torture: Path) -> tuple[dict[str, Any], Done]:
    done = run(torture.parent, "doctor", "data", "--json")
    assert done.status == 0, done.err
    return json.loads(done.out), done


@pytest.fixture(scope="module")
def trained(torture: Path) -> tuple[Path, Done]:
    size = ("--model", "mobilenet_v1", "--width", "0.25", "--resolution", "16", "--channels", "3")
    done = run(torture.parent, "train", "data", *size, "--epochs", "1", "--out", "run")
    assert done.status == 0, done.err
    return torture.parent / "run", done


@pytest.mark.parametrize("name", GOOD)
def test_a_picture_arrives_as_a_person_sees_it(torture: Path, name: str) -> None:
    good = GOOD[name]
    pixels = decode(torture / "train" / "ants" / name)
    assert pixels.shape == good.pixels.shape
    difference = np.abs(pixels.astype(float) - good.pixels)
    assert difference.mean() <= good.tolerance, difference.mean()


def test_the_doctor_names_what_cannot_be_read(examined: tuple[dict[str, Any], Done]) -> None:
    seen, _ = examined
    found = {entry["image"]: entry["reason"] for entry in seen["unreadable"]}
    assert set(found) == {f"train/bees/{name}" for name in BAD} | {"val/wasps/zero.png"}
    for name, (_, said) in BAD.items():
        assert re.search(said, found[f"train/bees/{name}"]), found[f"train/bees/{name}"]
        assert "\n" not in found[f"train/bees/{name}"]


def test_the_doctor_counts(examined: tuple[dict[str, Any], Done]) -> None:
    seen, _ = examined
    assert seen["classes"] == ["ants", "bees", "wasps"]
    assert seen["splits"] == {
        "train": {"ants": len(GOOD), "bees": 20, "wasps": 20},
        "val": {"ants": 1, "bees": 0, "wasps": 3},
    }
    assert seen["images"] == len(GOOD) + len(BAD) + 40 + 5
    (twice,) = seen["duplicates"]  # the same inks, once as TIFF and once as JPEG
    assert twice["images"] == ["train/ants/print.jpg", "train/ants/print.tif"] and twice["near"]
    assert seen["sides"]["shorter"]["min"] == HEIGHT and seen["sides"]["longer"]["max"] == WIDTH
    greys = {"grey.jpg", "grey.png", "bits.png", "grey alpha.png", "deep.png", "deep.tif"}
    assert seen["sides"]["grey"] == len(greys)
    texts = [finding["text"] for finding in seen["findings"]]
    assert any("val has no image of bees" in text for text in texts), texts
    assert any(text.startswith(f"{len(BAD) + 1} of {seen['images']} images cannot be read") for text in texts), texts


def test_finding_out_takes_little_memory(examined: tuple[dict[str, Any], Done]) -> None:
    """The large PNG alone would take 400 MB as bytes, the large file 5 GB."""
    assert examined[1].megabytes < 300


def test_the_doctor_for_people_and_strict(torture: Path, call_cli) -> None:
    status, out, err = call_cli("doctor", "data", cwd=torture.parent)
    assert status == 0 and "val has no image of bees" in out and "zero.png" not in err
    status, out, err = call_cli("doctor", "data", "--strict", cwd=torture.parent)
    lines = [line for line in err.splitlines() if line.startswith("error")]
    assert status == 2 and out == "" and len(lines) == 1
    assert "images of data data cannot be read: train/bees/" in lines[0] and "--strict" in lines[0]


def test_training_goes_on_without_them(trained: tuple[Path, Done]) -> None:
    out, done = trained
    splits = json.loads((out / "splits.json").read_text())
    named = [name for part in splits["splits"].values() for name in part]
    assert not any(name.startswith(f"train/bees/{bad}") for name in named for bad in BAD)
    assert len(named) == len(GOOD) + 40 + 4
    assert splits["classes"] == ["ants", "bees", "wasps"]
    assert {name: splits["classes"][label] for name, label in splits["splits"]["val"].items()} == {
        f"val/{name}": name.split("/")[0] for name in GOOD_VAL
    }
    assert json.loads((out / "result.json").read_text())["images"] == 4
    assert f"doctor: {len(BAD) + 1} of " in done.err
    assert done.megabytes < 1500


def test_evaluating_counts_what_it_skips(torture: Path, trained: tuple[Path, Done], call_cli) -> None:
    status, out, err = call_cli("eval", "run/model.safetensors", "data", "--json", cwd=torture.parent)
    assert status == 0, err
    assert json.loads(out)["images"] == 4 and json.loads(out)["skipped"] == 1
    assert "1 of 5 images" in err and "zero.png: it is empty" in err


def test_predicting_each_picture(torture: Path, trained: tuple[Path, Done], call_cli) -> None:
    names = sorted(str(Path("data/train/ants") / name) for name in GOOD)
    status, out, err = call_cli("predict", "run/model.safetensors", *names, "--json", cwd=torture.parent)
    assert status == 0, err
    answers = json.loads(out)
    assert [answer["image"] for answer in answers] == names
    net = pv.load(trained[0] / "model.safetensors")
    told = {answer["image"]: answer["top"][0] for answer in answers}
    for name, good in GOOD.items():
        if not good.tolerance:  # the file answers as the pixels that a person sees
            (result,) = net.predict(good.pixels)
            (index, _, probability), *_ = result.top(1)
            assert told[f"data/train/ants/{name}"]["probability"] == pytest.approx(probability, abs=1e-5), name
            assert told[f"data/train/ants/{name}"]["index"] == index, name


@pytest.mark.parametrize("name", ["huge.png", "large file.png", "pipe.png", "to itself.png"])
def test_predicting_a_bad_one_is_one_sentence(torture: Path, trained: tuple[Path, Done], name: str) -> None:
    with pytest.raises(pv.InputError, match=BAD[name][1]):
        pv.load(trained[0] / "model.safetensors").predict(torture / "train" / "bees" / name)


def test_predicting_many_names_the_bad_ones(torture: Path, trained: tuple[Path, Done], call_cli) -> None:
    names = ["data/train/bees/zero.png", "data/train/ants/plain.png", "data/train/bees/nowhere.png"]
    status, out, err = call_cli("predict", "run/model.safetensors", *names, "--json", cwd=torture.parent)
    answers = json.loads(out)
    assert status == 1 and [answer["image"] for answer in answers] == names
    assert [sorted({"top", "error"} & answer.keys()) for answer in answers] == [["error"], ["top"], ["error"]]
    assert err.count("left out") == 2 and "zero.png" in err and "nowhere.png: not found" in err
    status, _, err = call_cli("predict", "run/model.safetensors", names[0], names[2], cwd=torture.parent)
    assert status == 2 and "zero.png" in err and "nowhere.png: not found" in err


def test_the_same_folder_as_an_archive_of_readable_and_unreadable_files(torture: Path) -> None:
    """Links and pipes have no place in a zip; everything else is found again."""
    plain = [name for name in BAD if (torture / "train" / "bees" / name).is_file()]
    plain = [name for name in plain if name not in ("large file.png", "secret.png")]
    with zipfile.ZipFile(torture.parent / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain:
            archive.write(torture / "train" / "bees" / name, f"bees/{name}")
        archive.writestr("ants/1.png", GOOD["plain.png"].data)
        with archive.open("ants/zip bomb.png", "w", force_zip64=True) as member:
            for _ in range(1100):
                member.write(bytes(1 << 20))
    done = run(torture.parent, "doctor", "data.zip", "--json")
    assert done.status == 0, done.err
    seen = json.loads(done.out)
    assert {entry["image"] for entry in seen["unreadable"]} == {f"bees/{name}" for name in plain} | {
        "ants/zip bomb.png"
    }
    assert done.megabytes < 300
    assert len(open_dataset(torture.parent / "data.zip").splits["train"]) == len(plain) + 2

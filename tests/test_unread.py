"""Everything in a class folder is read or named; data of another task is not taken for classes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pocketvision as pv
from datafolders import PACKINGS, Packing, plant, png
from pocketvision.data import formats
from pocketvision.data.doctor import examine
from pocketvision.data.image import decode
from pocketvision.data.sources import open_dataset
from pocketvision.errors import InputError

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    formats.heif_installed.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    yield
    formats.heif_installed.cache_clear()


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((5, 6, 3), 200, np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("pack", PACKINGS)
def test_photographs_without_a_suffix_are_read(tmp_path: Path, pack: Packing) -> None:
    kinds = {
        "JPEG": "IMG_0001",
        "PNG": "photo.2024",
        "WEBP": "b.jpg_large",
        "GIF": "x.1",
        "BMP": "bitmap",
        "TIFF": "scan",
        "JPEG2000": "plate",
        "AVIF": "web",
    }
    folder = plant(tmp_path / "data", "a/1.png", "b/1.png", "b/notes", "b/empty")
    for kind, name in kinds.items():
        (folder / "a" / name).write_bytes(encoded(kind))
    (folder / "b" / "notes").write_bytes(b"BM is how this text begins")
    (folder / "b" / "empty").write_bytes(b"")
    dataset = open_dataset(pack(folder))
    found = {sample.name for sample in dataset.splits["train"]}
    assert found == {"a/1.png", "b/1.png", *(f"a/{name}" for name in kinds.values())}
    assert all(
        decode(sample.image).shape == (5, 6, 3) for sample in dataset.splits["train"] if "1.png" not in sample.name
    )
    assert dataset.unread == ("b/empty", "b/notes")


SPELLINGS = {  # by the format in Pillow
    "JPEG": ".jpg .jpeg .jpe .jfif .jfi .jif .pjpeg .pjp .JPG",
    "MPO": ".mpo",
    "PNG": ".png .apng",
    "BMP": ".bmp .dib",
    "TIFF": ".tif .tiff",
    "PPM": ".ppm .pnm",
    "JPEG2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
    "AVIF": ".avif .avifs",
}


def test_every_suffix_of_a_format_that_is_read(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "b/1.png")
    (folder / "a").mkdir()
    for kind, suffixes in SPELLINGS.items():
        for suffix in suffixes.split():
            (folder / "a" / f"{kind}{suffix}").write_bytes(encoded(kind))
    dataset = open_dataset(folder)
    assert dataset.unread == () and len(dataset.splits["train"]) == 1 + sum(len(s.split()) for s in SPELLINGS.values())
    assert all(decode(sample.image).shape[2] == 3 for sample in dataset.splits["train"])


@pytest.mark.usefixtures("without_heif")
def test_heic_without_a_suffix_is_named_with_what_to_install(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", *(f"{label}/{i}.png" for label in "ab" for i in range(3)))
    (folder / "a" / "IMG_1").write_bytes(HEIC)
    said = " ".join(finding["text"] for finding in examine(open_dataset(folder), show=False).findings)
    assert "1 of 7 images cannot be read" in said and "a/IMG_1: it is HEIC, to read it pip install pillow-heif" in said


@pytest.mark.usefixtures("without_heif")
@pytest.mark.parametrize("pack", PACKINGS)
@pytest.mark.parametrize("top", ["", "train/"])
def test_heic_is_counted_and_what_to_install(tmp_path: Path, pack: Packing, top: str) -> None:
    folder = plant(tmp_path / "data", *(f"{top}{label}/{i}.png" for label in "ab" for i in range(3)))
    for name in ("a/1.heic", "a/2.HEIC", "b/3.heif", "b/4.dng", "b/5.txt"):
        (folder / top / name).write_bytes(HEIC)
    seen = examine(open_dataset(pack(folder)), show=False)
    (finding,) = [finding for finding in seen.findings if "not read" in finding["text"]]
    assert finding["severity"] == "warning"
    assert finding["text"] == (
        f"5 files in class folders are not read: 2 .heic, 1 .heif, 1 .dng, ... ({top}a/1.heic, {top}a/2.HEIC, 3 more); "
        "for .heic and .heif pip install pillow-heif"
    )
    with pytest.raises(
        InputError, match="5 files in class folders are not read: .*: take them out, or leave out --strict"
    ):
        pv.doctor(pack(folder), strict=True, show=False)


def test_the_diagnosis_does_not_say_that_all_is_read(tmp_path: Path, call_cli) -> None:
    folder = plant(tmp_path / "data", *(f"{label}/{i}.png" for label in "ab" for i in range(3)), "a/notes.txt")
    status, stdout, _ = call_cli("doctor", folder)
    assert status == 0 and "every image can be read" not in stdout
    assert "1 file in a class folder is not read: 1 .txt (a/notes.txt)" in stdout
    status, _, stderr = call_cli("doctor", folder, "--strict")
    assert status == 2 and "1 file in a class folder is not read" in stderr and stderr.count("\n") == 1


@pytest.mark.usefixtures("without_heif")
def test_folders_of_heic_alone(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "a/1.heic", "a/2.heic", "b/3.heic")
    with pytest.raises(InputError, match=r"no images \(found: 3 \.heic\): for \.heic pip install pillow-heif"):
        open_dataset(folder)
    with pytest.raises(InputError, match=r"class folder b \(found: 1 \.heic\): for \.heic pip install pillow-heif"):
        open_dataset(plant(folder, "a/1.png"))


@pytest.mark.usefixtures("without_heif")
def test_heic_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.jpg").write_bytes(HEIC)
    with pytest.raises(InputError, match="IMG_1.jpg: it is HEIC, to read it pip install pillow-heif"):
        decode(tmp_path / "IMG_1.jpg")


def test_heic_is_read_when_it_can_be(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    formats.heif_installed.cache_clear()
    folder = plant(tmp_path / "data", "b/1.png")
    pillow_heif.register_heif_opener()
    (folder / "a").mkdir()
    for name in ("1.heic", "2"):
        pixels = np.full((32, 48, 3), (200, 30, 40), np.uint8)
        Image.fromarray(pixels).save(folder / "a" / name, "HEIF", quality=90)
    dataset = open_dataset(folder)
    assert [sample.name for sample in dataset.splits["train"]] == ["a/1.heic", "a/2", "b/1.png"]
    for sample in dataset.splits["train"][:2]:
        found = decode(sample.image)
        assert found.shape == (32, 48, 3) and abs(found.mean((0, 1)) - (200, 30, 40)).max() < 8
    assert dataset.unread == ()


# --- other tasks

XML = b"<annotation><object><name>RBC</name><bndbox><xmin>1</xmin></bndbox></object></annotation>"
YOLO = b"0 0.5 0.5 0.25 0.25\n1 .1 0.2 3e-1 0.4\n"
COCO = json.dumps(
    {"info": {}, "images": [{"id": 1}], "annotations": [{"bbox": [1, 2, 3, 4]}], "categories": []}
).encode()
LABELME = json.dumps({"shapes": [{"points": [[1, 2]]}], "imagePath": "1.png"}).encode()

CVAT = b"<annotations><image id='0' name='1.png'><box label='a' xtl='1'/></image></annotations>"
VIA = json.dumps({"1.png9": {"filename": "1.png", "regions": [{"shape_attributes": {"name": "rect"}}]}}).encode()

OTHERS: dict[str, tuple[dict[str, bytes], str]] = {
    "camvid": (
        {f"{s}/{k}/{i}.png": b"" for s in ("train", "val") for k in ("images", "masks") for i in range(3)},
        "masks in train/masks for the images in train/images",
    ),
    "segnet's camvid": (
        {f"{k}/{i}.png": b"" for k in ("train", "trainannot") for i in range(3)},
        "masks in trainannot",
    ),
    "masks by split": (
        {f"{k}/{s}/{i}{e}.png": b"" for k, e in (("images", ""), ("labels", "_mask")) for s in "ab" for i in range(3)},
        "masks in labels for the images in images",
    ),
    "voc masks": (
        {f"{k}/{i}.png": b"" for k in ("JPEGImages", "SegmentationClass") for i in range(3)},
        "masks in SegmentationClass for the images in JPEGImages",
    ),
    "cityscapes": (
        {
            f"{k}/train/ulm/ulm_{i}_{e}.png": b""
            for k, e in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds"))
            for i in range(3)
        },
        "masks in gtFine for the images in leftImg8bit",
    ),
    "supervisely": (
        {f"{k}/{i}.png": b"" for k in ("images", "masks_machine", "masks_human") for i in range(3)},
        "masks in masks_human for the images in images",
    ),
    "carvana": (
        {f"{k}/{i}{e}.png": b"" for k, e in (("train", ""), ("train_masks", "_mask")) for i in range(3)},
        "masks in train_masks for the images in train",
    ),
    "train_images": (
        {f"{k}/{i}.png": b"" for k in ("train_images", "train_labels") for i in range(3)},
        "masks in train_labels for the images in train_images",
    ),
    "trimaps": (
        {f"{k}/{i}.png": b"" for k in ("images", "annotations/trimaps") for i in range(3)},
        "masks in annotations for the images in images",
    ),
    "yolo by split": (
        {
            f"{s}/{k}/{i}.{e}": YOLO
            for s in ("train", "valid")
            for k, e in (("images", "png"), ("labels", "txt"))
            for i in "12"
        },
        r"YOLO's boxes \(train/labels/1\.txt\)",
    ),
    "cvat": ({"images/1.png": b"", "annotations.xml": CVAT}, r"CVAT's boxes or outlines \(annotations\.xml\)"),
    "via": ({"1.png": b"", "via.json": VIA}, "VIA's boxes or outlines"),
    "masks beside": ({f"benign/{i}{e}.png": b"" for i in range(4) for e in ("", "_mask")}, "masks beside the images"),
    "voc": (
        {"ImageSets/Main/train.txt": b"1\n"}
        | {f"JPEGImages/{i}.png": b"" for i in range(3)}
        | {"Annotations/1.xml": XML},
        r"Pascal VOC's boxes \(Annotations/1\.xml\)",
    ),
    "voc beside": ({"train/1.png": b"", "train/1.xml": XML, "val/2.png": b""}, "Pascal VOC's boxes"),
    "yolo": (
        {
            f"{k}/{s}/1.{e}": b
            for k, e, b in (("images", "png", b""), ("labels", "txt", YOLO))
            for s in ("train", "val")
        },
        r"YOLO's boxes \(labels/train/1\.txt\)",
    ),
    "yolo with yaml": (
        {
            "data.yaml": b"train: images/train\nnc: 1\nnames: ['a']\n",
            "images/train/1.png": b"",
            "labels/train/1.txt": b"",
        },
        r"a description of YOLO's boxes \(data\.yaml\)",
    ),
    "coco": (
        {"train2017/1.png": b"", "val2017/2.png": b"", "annotations/instances_train2017.json": COCO},
        r"COCO's boxes or masks \(annotations/instances_train2017\.json\)",
    ),
    "roboflow": ({"train/1.png": b"", "train/_annotations.coco.json": COCO}, "COCO's boxes or masks"),
    "labelme": ({"images/1.png": b"", "images/1.json": LABELME}, "labelme's outlines"),
}


def write(root: Path, files: dict[str, bytes]) -> Path:
    for index, (name, content) in enumerate(files.items()):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(index) if name.endswith(".png") else content)
    return root


@pytest.mark.parametrize("pack", PACKINGS[:4])
@pytest.mark.parametrize("kind", OTHERS)
def test_masks_and_boxes_are_no_classes(tmp_path: Path, kind: str, pack: Packing) -> None:
    files, what = OTHERS[kind]
    with pytest.raises(InputError, match=f"holds {what}.*: learning from masks or boxes is not there yet") as caught:
        open_dataset(pack(write(tmp_path / "data", files)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["instances.json", "data.yaml", "1.xml", "1.txt"])
def test_a_description_of_boxes_itself(tmp_path: Path, name: str) -> None:
    content = {".json": COCO, ".yaml": b"names: [a]\ntrain: x\n", ".xml": XML, ".txt": YOLO}[Path(name).suffix]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="boxes.*: learning from them is not there yet"):
        open_dataset(tmp_path / name)


@pytest.mark.parametrize(
    "files",
    [
        {
            "ants/1.png": b"",
            "ants/1.xml": XML,
            "bees/1.png": b"",
            "bees/1.json": LABELME,
        },  # texts beside, in class folders
        {"mask/1.png": b"", "no_mask/1.png": b""},  # faces with masks
        {"images/1.png": b"", "masks/2.png": b"", "photos/3.png": b""},  # no mask has an image of its name
        {"a/1.png": b"", "b/1.png": b"", "classes.txt": b"0 1 2 3 4\n", "config.yaml": b"names: x\n"},
        {"labels/1.png": b"", "stamps/1.png": b"", "coins/1.png": b""},  # what is on the pictures
        {f"{name}/{i}.png": b"" for name in ("face", "face_mask") for i in range(3)},  # numbered alike
        {f"{name}/{i}.png": b"" for name in ("with_mask", "without_mask") for i in range(3)},
        {f"{name}/{i}.png": b"" for name in ("cat", "dog", "mask", "label") for i in range(3)},
    ],
)
def test_ordinary_folders_stay_classes(tmp_path: Path, files: dict[str, bytes]) -> None:
    folder = write(tmp_path / "data", files)
    assert len(open_dataset(folder).classes) == len({name.split("/")[0] for name in files if name.endswith(".png")})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("train/1.png", "test/2.png"),
            "train, test must be splits by name, but hold no class folders: move .* train/<",
        ),
        (
            ("train_images/1.png", "test_images/2.png", "train.csv"),
            "; or give train.csv as the data, if it says the cl",
        ),
        (("train/1.png", "train/metadata.csv"), "train must be splits .*; or give train/metadata.csv as the data"),
    ],
)
def test_splits_without_classes_are_no_classes(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    folder = plant(tmp_path / "data", *names)
    with pytest.raises(InputError, match=message):
        open_dataset(folder)
    assert open_dataset(folder, ["bus", *{name.split("/")[0] for name in names if "/" in name}]).classes[0] == "bus"


def test_a_table_says_what_the_images_are_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", OTHERS["camvid"][0])
    (folder / "labels.csv").write_text("path,label\ntrain/images/0.png,a\ntrain/images/1.png,b\n")
    assert open_dataset(folder).classes == ("a", "b")


@pytest.mark.parametrize(("name", "what"), [("camvid", "masks in test/masks"), ("bccd", "Pascal VOC's boxes")])
def test_shared_data_of_other_tasks(shared: Path, name: str, what: str) -> None:
    with pytest.raises(InputError, match=f"holds {what}"):
        open_dataset(shared / "data" / f"{name}.tar")

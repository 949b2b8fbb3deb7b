"""Recognises data of tasks that are not here yet, masks and boxes, before their folders are taken for classes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath

from pocketvision.data.formats import IMAGE_SUFFIXES
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.names import SPLITS
from pocketvision.errors import InputError

# Folders, in small letters, of pictures and of what belongs to each picture by its name.
PICTURES = frozenset("images image imgs img jpegimages leftimg8bit photos pictures inputs input rgb data".split())
MASKS = frozenset(
    "masks mask labels label annotations annotation annots gt gtfine groundtruth segmentation segmentations "
    "segmentationclass segmentationobject targets".split()
)
MASK_ENDING = re.compile(r"[-_ ](mask|masks|seg|segmentation|label|labels|l|gt|gtfine_labelids)(_\d+)?$")
SHARE = 0.5  # of the masks (or texts) that must have a picture of their name
LOOKED_INTO = 3  # files of a kind
YOLO_LINE = re.compile(rb"\s*\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}\s*")
COCO_KEYS, LABELME_KEYS = (b'"images"', b'"annotations"', b'"categories"'), (b'"shapes"', b'"imagePath"')


def other_task(files: Mapping[str, ImageFile]) -> str | None:
    """What the files of a tree are, when that is no classification: `masks in ... beside the images`. None otherwise.

    `files` by posix name. A few texts are read; folders of classes with such texts beside the images stay classes.
    """
    pictures = sorted(name for name in files if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES)
    for found in (_masks(pictures), _mask_endings(pictures), _boxes(files, pictures)):
        if found:
            return found
    return None


def described(name: str, data: bytes) -> str | None:
    """What one text that says where things are in images is: `COCO's boxes or masks`; None for any other text."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".xml" and b"<annotation" in data and b"<bndbox" in data:
        return "Pascal VOC's boxes"
    if suffix == ".xml" and b"<annotations" in data and (b"<box" in data or b"<polygon" in data):
        return "CVAT's boxes or outlines"
    if suffix == ".json" and b'"shape_attributes"' in data:
        return "VIA's boxes or outlines"
    if suffix == ".json" and sum(key in data for key in COCO_KEYS) >= 2:
        return "COCO's boxes or masks"
    if suffix == ".json" and all(key in data for key in LABELME_KEYS):
        return "labelme's outlines"
    if (
        suffix in (".yaml", ".yml")
        and re.search(rb"^names\s*:", data, re.M)
        and re.search(rb"^(train|val|nc)\s*:", data, re.M)
    ):
        return "a description of YOLO's boxes"
    lines = [line for line in data.splitlines() if line.strip()]
    if suffix == ".txt" and lines and all(map(YOLO_LINE.fullmatch, lines)):
        return "YOLO's boxes"
    return None


def _masks(pictures: Sequence[str]) -> str | None:
    """A folder of masks, with the pictures of the same names in a folder beside it."""
    stems: dict[PurePosixPath, set[str]] = {}
    for name in pictures:
        place = PurePosixPath(name)
        for folder in list(place.parents)[:-1]:  # images/train/1.jpg is of images as well
            stems.setdefault(folder, set()).add(place.stem)
    for folder, masks in stems.items():
        if not _words(folder) & MASKS and not folder.name.endswith("annot"):
            continue
        for other, images in stems.items():
            if folder.parent == other.parent and folder != other and _belongs(folder, other):
                plain = [MASK_ENDING.sub("", mask.lower()) for mask in masks]
                shown = {MASK_ENDING.sub("", image.lower()).removesuffix("_leftimg8bit") for image in images}
                if sum(mask in shown for mask in plain) >= SHARE * len(plain):
                    return f"masks in {folder} for the images in {other}"
    return None


def _belongs(masks: PurePosixPath, pictures: PurePosixPath) -> bool:
    """By their names: `masks_machine` and `images`, `train_masks` and `train_images` or `train`, `trainannot`."""
    of_masks, of_pictures = _words(masks), _words(pictures)
    same = of_masks - MASKS == of_pictures - PICTURES and of_pictures & (PICTURES | SPLITS.keys())
    named = of_masks & MASKS and (of_pictures <= PICTURES or same)
    return bool(named) or masks.name == f"{pictures.name}annot"


def _words(folder: PurePosixPath) -> set[str]:
    return set(re.split(r"[-_. ]+", folder.name.lower().replace("ground_truth", "groundtruth")))


def _mask_endings(pictures: Sequence[str]) -> str | None:
    """Masks beside the pictures: 1.png and 1_mask.png."""
    stems = {str(PurePosixPath(name).with_suffix("")) for name in pictures}
    masks = [stem for stem in stems if re.search(r"[-_]mask(_\d+)?$", stem.lower()) and _base(stem) in stems]
    return f"masks beside the images ({min(masks)})" if len(masks) >= max(2, len(stems) / 4) else None


def _base(stem: str) -> str:
    return re.sub(r"(?i)[-_]mask(_\d+)?$", "", stem)


def _boxes(files: Mapping[str, ImageFile], pictures: Sequence[str]) -> str | None:
    stems = {PurePosixPath(name).stem for name in pictures}
    beside = {str(PurePosixPath(name).with_suffix("")) for name in pictures}
    for suffix in (".json", ".yaml", ".yml", ".xml", ".txt"):
        named = (name for name in files if PurePosixPath(name).suffix.lower() == suffix)
        of_one = suffix == ".txt" or (suffix == ".xml" and "annotations.xml" not in files)
        candidates = (
            name
            for name in named
            if not _in_class_folder(name, beside) and (not of_one or PurePosixPath(name).stem in stems)
        )
        for name, data in islice(_texts(candidates, files), LOOKED_INTO):
            if what := described(name, data):
                return f"{what} ({name})"
    return None


def _in_class_folder(name: str, beside: set[str]) -> bool:
    """A text beside the image that it is about, in a folder that could be a class."""
    place = PurePosixPath(name)
    folder = place.parent.name.lower()
    return str(place.with_suffix("")) in beside and folder not in PICTURES | SPLITS.keys() | {""}


def _texts(names: Iterator[str], files: Mapping[str, ImageFile]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        try:
            yield name, files[name].read()
        except InputError:  # whoever needs it will hear
            continue

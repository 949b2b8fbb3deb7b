"""Data that cannot be read or understood gets one sentence: what, where, what to do."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from datafolders import Packing, as_dotted_tar, as_flat_zip, as_folder, as_tar, as_zip, plant, png
from pocketvision.data.sources import open_dataset
from pocketvision.errors import InputError

BAD_FOLDERS: dict[str, tuple[list[str], list[str] | None, str]] = {
    "empty": (["."], None, "is empty: put images into it"),
    "only hidden files": ([".DS_Store", ".git/1.png"], None, "is empty"),
    "no images": (["a/1.heic", "a/2.heic", "b/1.txt"], None, r"holds no images \(found: 2 \.heic, 1 \.txt\)"),
    "no class folders": (["1.png", "2.png", "notes/1.txt"], None, "holds 2 images but no class folders: arrange them"),
    "no class folders, one folder": (["images/1.png", "1.txt"], ["a"], "class images of train .* is not among the 1"),
    "loose images in a split": (["train/a/1.png", "test/1.png"], None, "test holds 1 image and no class folders"),
    "empty train": (["train/", "val/a/1.png"], None, "train holds 0 images"),
    "empty class": (["train/a/1.png", "train/b/", "val/a/1.png"], None, "no images in class folder train/b: add"),
    "empty classes": (["a/1.png", "b/", "c/1.txt"], None, r"class folder b: .* \(2 class folders are empty\)"),
    "class only in val": (
        ["train/ants/1.png", "val/ants/1.png", "val/ant/1.png"],
        None,
        r"class ant of val \(1 image, first: val/ant/1\.png\) is not among .* of train \(ants\): did you mean ants\?",
    ),
    "class the model does not know": (
        ["ants/1.png", "wasps/1.png", "wasps/2.png"],
        ["ants", "bees"],
        r"class wasps of train \(2 images, .*\) is not among the 2 classes of the model \(ants, bees\)",
    ),
    "two val folders": (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], None, "both val and valid"),
}


@pytest.mark.parametrize("pack", [as_folder, as_dotted_tar, as_flat_zip])
@pytest.mark.parametrize("kind", BAD_FOLDERS)
def test_bad_folders(tmp_path: Path, kind: str, pack: Packing) -> None:
    files, classes, message = BAD_FOLDERS[kind]
    path = pack(plant(tmp_path / "data", *(name for name in files if name != ".")))
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(path, classes)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


BAD_TABLES: dict[str, tuple[bytes, list[str] | None, str]] = {
    "empty": (b"", None, "needs the columns path and label, found: none"),
    "other columns": (b"file;class\na.png;ant\n", None, "needs the columns path and label, found: file, class"),
    "no header": (b"a.png,ant\n", None, "found: a.png, ant"),
    "only a header": (b"path,label\n", None, "no rows"),
    "no label": (b"path,label\na.png,ant\nb.png\n", None, "line 3: the label is empty"),
    "no path": (b"path,label\n,ant\n", None, "line 2: the path is empty"),
    "missing images": (
        b"path,label\na.png,ant\nx.png,ant\ny.png,ant\n",
        None,
        r"names 2 images that are not there \(first: x\.png\)",
    ),
    "a contradiction": (
        b"path,label\na.png,ant\n./a.png,bee\n",
        None,
        r"line 3: \./a\.png is labelled bee, but ant",
    ),
    "two groups": (
        b"path,label,group\na.png,ant,1\na.png,ant,2\n",
        None,
        "line 3: a.png is in group 2, but 1 further up",
    ),
    "two splits": (
        b"path,label,split\na.png,ant,train\n./a.png,ant,val\n",
        None,
        r"line 3: \./a\.png is in split val, but train further up",
    ),
    "a split group": (
        b"path,label,group,split\na.png,ant,film,train\nb.png,ant,film,test\n",
        None,
        "has images of group film in train and in test: keep a group in one split",
    ),
    "an unknown split": (b"path,label,split\na.png,ant,fold1\n", None, r"split fold1 of a\.png is none: write train"),
    "no split": (b"path,label,split\na.png,ant,train\nb.png,ant,\n", None, "line 3: the split is empty"),
    "not utf-8": ("path,label\na.png,Käfer\n".encode("latin-1"), None, "is not UTF-8 text"),
    "utf-16 without a mark": ("path,label\na.png,ant\n".encode("utf-16-le"), None, "is not UTF-8 text"),
    "half of a sign": ("path,label\na.png,ant\n".encode("utf-16") + b"\0", None, "is not UTF-8 text"),
    "unknown name": (b"path,label\na.png,aunt\n", ["ant", "bee"], "class aunt .* did you mean ant"),
    "index too large": (b"path,label\na.png,0\nb.png,2\n", ["ant", "bee"], "class 2 of train .* is not among the 2"),
    "names and indices": (b"path,label\na.png,ant\nb.png,1\n", ["ant", "bee"], "class 1 of train .* is not among"),
    "endless quote": (b'path,label\na.png,"' + b"ant\n" * 40_000, None, "not a CSV"),
}


@pytest.mark.parametrize("place", ["the file", "the folder", "the archive"])
@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables(tmp_path: Path, kind: str, place: str) -> None:
    content, classes, message = BAD_TABLES[kind]
    folder = plant(tmp_path / "data", "a.png", "b.png")
    (folder / "labels.csv").write_bytes(content)
    path = {"the file": folder / "labels.csv", "the folder": folder, "the archive": as_tar(folder)}[place]
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(path, classes)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("digit", "did you mean the built-in data digits"),
        ("insect", "did you mean insects"),
        ("insects.csv", "did you mean insects"),
        ("nothing/like/it", "not found: give a folder"),
        ("", "'' .* is no data: give its path or name as text"),
        ("x" * 5000, "is no data: give its path or name as text"),
        ("photo.png", "is one image"),
        ("data.tar.gz", "unpack it, or give a .tar or .zip"),
        ("data.7z", "unpack it, or give a .tar or .zip"),
        ("notes.txt", "cannot read notes.txt as data"),
        ("empty.tar", "not a .tar archive, or damaged"),
        ("text.zip", "not a .zip archive, or damaged"),
        ("gzipped.tar", "not a .tar archive, or damaged"),
        ("locked.zip", "is encrypted"),
    ],
)
def test_bad_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str) -> None:
    monkeypatch.chdir(
        plant(tmp_path, "insects/a/1.png", "photo.png", "data.tar.gz", "data.7z", "notes.txt", "text.zip")
    )
    (tmp_path / "empty.tar").write_bytes(b"")
    with tarfile.open(tmp_path / "gzipped.tar", "w:gz") as tar:
        tar.add("insects")
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as archive:
        archive.writestr("a/1.png", png())
    locked = bytearray((tmp_path / "locked.zip").read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory that says: encrypted
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("pack", [as_tar, as_zip])
def test_archives_cut_short_are_not_half_read(tmp_path: Path, pack: Packing, share: float) -> None:
    path = pack(plant(tmp_path / "data", *(f"{name}/{index}.png" for name in "ab" for index in range(20))))
    content = path.read_bytes().rstrip(b"\0") if pack is as_tar else path.read_bytes()  # without the tar's padding
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="damaged .*; copy or download it again"):
        open_dataset(path)


def test_a_tar_with_a_damaged_header_is_not_half_read(tmp_path: Path) -> None:
    path = as_tar(plant(tmp_path / "data", *(f"a/{index}.png" for index in range(20))))
    content = bytearray(path.read_bytes())
    content[content.index(b"data/a/1") + 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged .*; copy or download it again"):
        open_dataset(path)

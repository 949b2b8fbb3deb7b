"""The dataset doctor: what it must find, what it must not, and that training goes by what it found."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from rich.console import Console

import pocketvision as pv
from datafolders import plant, png
from pocketvision.data import duplicates, loader, reading
from pocketvision.data.dataset import Dataset
from pocketvision.data.doctor import Examination, drop_unreadable, examine
from pocketvision.data.image import preprocessing_for
from pocketvision.data.loader import Images
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts, load_splits, split
from pocketvision.errors import InputError
from pocketvision.evaluation import evaluate_samples
from pocketvision.report.diagnosis import _fine, diagnosis
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.runtimes.verify import compare


def photograph(seed: int, side: int = 64) -> Image.Image:
    """Blotches of several sizes: like a photograph, most of it is in its coarse structure."""
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize((side, side), 3), float
        )
        / cells
        for cells in (3, 6, 12, 24)
    ]
    pixels = sum(layers)
    return Image.fromarray((255 * (pixels - pixels.min()) / (pixels.max() - pixels.min())).astype(np.uint8))


def stripes(folder: Path, each: int, side: int = 16) -> Path:
    """Two classes that differ by the direction of their stripes; no two images alike."""
    random = np.random.default_rng(0)
    for label in ("across", "down"):
        (folder / label).mkdir(parents=True)
        for i in range(each):
            wave = 127 + 100 * np.sin(np.arange(side) * random.uniform(1, 2.5) + random.uniform(0, 6))
            pixels = np.tile(wave, (side, 1)) + random.normal(0, 25, (side, side))
            pixels = pixels.T if label == "across" else pixels
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / label / f"{i:03}.png")
    return folder


def texts(seen: Examination, severity: str) -> list[str]:
    return [finding["text"] for finding in seen.findings if finding["severity"] == severity]


# --- duplicates


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    root = tmp_path_factory.mktemp("copies") / "data"
    for name in ("train/a", "train/b", "val/a", "val/b"):
        (root / name).mkdir(parents=True)
    for seed in range(40):
        photograph(seed).save(root / "train" / "ab"[seed % 2] / f"{seed}.png")
    for seed in range(100, 110):
        photograph(seed).save(root / "val" / "ab"[seed % 2] / f"{seed}.png")
    photograph(0).save(root / "train" / "a" / "again.bmp")  # another format, the same pixels
    photograph(2).save(root / "val" / "a" / "leak.webp", lossless=True)
    photograph(3).save(root / "train" / "a" / "contradiction.tif")
    photograph(4).save(root / "train" / "a" / "packed.jpg", quality=60)
    photograph(6).resize((45, 45)).save(root / "val" / "a" / "smaller.jpg")
    ImageEnhance.Brightness(photograph(8)).enhance(0.8).save(root / "train" / "a" / "darker.png")
    for number in range(6):  # flat pictures look alike and are not the same
        Image.fromarray(np.full((64, 64, 3), 40 * number, np.uint8)).save(root / "train" / "b" / f"flat {number}.png")
    return examine(open_dataset(root), show=False)


def test_exact_copies_are_found_whatever_their_format(copies: Examination) -> None:
    exact = {tuple(group["images"]): group for group in copies.duplicates if not group["near"]}
    assert set(exact) == {
        ("train/a/0.png", "train/a/again.bmp"),
        ("train/a/2.png", "val/a/leak.webp"),
        ("train/a/contradiction.tif", "train/b/3.png"),
    }
    assert exact["train/a/2.png", "val/a/leak.webp"]["across_splits"]
    assert exact["train/a/contradiction.tif", "train/b/3.png"]["labels"] == ["a", "b"]
    assert not exact["train/a/0.png", "train/a/again.bmp"]["across_splits"]


def test_near_copies_are_found_and_nothing_else(copies: Examination) -> None:
    near = {tuple(group["images"]): group for group in copies.duplicates if group["near"]}
    assert set(near) == {
        ("train/a/4.png", "train/a/packed.jpg"),
        ("train/a/6.png", "val/a/smaller.jpg"),
        ("train/a/8.png", "train/a/darker.png"),
    }
    assert near["train/a/6.png", "val/a/smaller.jpg"]["across_splits"]


def test_what_copies_mean(copies: Examination) -> None:
    leak, contradiction = texts(copies, "error")
    assert leak.startswith("1 image of val is also among the images of train (val/a/leak.webp = train/a/2.png)")
    assert "train/a/contradiction.tif is a, train/b/3.png is b" in contradiction
    assert any("val/a/smaller.jpg = train/a/6.png" in text for text in texts(copies, "warning"))
    assert any("2 images are copies of others" in text for text in texts(copies, "note"))


@pytest.fixture(scope="module")
def digits() -> Examination:
    """1,797 digits of 8 x 8 px, no two of them the same."""
    pytest.importorskip("sklearn")
    return examine(open_dataset("digits"), show=False)


def test_small_pictures_that_are_all_alike_are_no_duplicates(digits: Examination) -> None:
    assert digits.duplicates == []


def test_a_crowd_of_near_copies_stays_affordable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of a camera that does not move: every image is close to every other."""
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 1000)
    base = np.asarray(photograph(0, 16), np.int16)
    noise = np.random.default_rng(0).integers(-2, 3, (3000, 16, 16, 3))
    thumbs = (base + noise).clip(0, 255).astype(np.uint8)
    digests = np.array([str(index).encode() for index in range(3000)], "S32")
    groups, searched = duplicates.near_groups(digests, thumbs)
    assert searched == 3000 and len(max(groups, key=lambda group: len(group.members)).members) > 1500


def test_close_pairs_are_those_of_a_plain_comparison() -> None:
    thumbs = np.stack([np.asarray(photograph(seed % 150, 16)) for seed in range(300)])
    thumbs = (thumbs + np.random.default_rng(0).integers(0, 40, thumbs.shape)).clip(0, 255).astype(np.uint8)
    rows, _ = duplicates.describe(thumbs)
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    for closer_than in (0.05, 0.2, 0.5):
        expected = {(a, b) for a, b in np.argwhere(distances < closer_than).tolist() if a < b}
        assert {tuple(pair) for pair in duplicates.close_pairs(rows, closer_than).tolist()} == expected
    assert expected


def test_copies_stay_on_one_side_of_a_split_that_we_carve(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", *(f"{name}/{index:02}.png" for name in "ab" for index in range(20)))
    for index in range(10):
        (folder / "a" / f"copy {index}.png").write_bytes((folder / "a" / f"{index:02}.png").read_bytes())
    dataset = open_dataset(folder)
    together = [group["images"] for group in examine(dataset, show=False).duplicates]
    assert len(together) == 10
    for seed in range(10):
        parts = split(dataset, seed=seed, together=together)
        val = {sample.name for sample in parts.splits["val"]}
        assert all(val.isdisjoint(group) or val.issuperset(group) for group in together), seed
        assert {sample.label for sample in parts.splits["val"]} == {0, 1}
        assert {name: len(part) for name, part in parts.splits.items()} == {"train": 40, "val": 10}
    only = [[f"a/{index:02}.png" for index in range(20)] + [f"a/copy {index}.png" for index in range(10)]]
    assert class_counts(split(dataset, together=only))["val"] == {"a": 6, "b": 4}  # better than no image of a class


# --- labels


def mislabelled(dataset: Dataset, share: float) -> tuple[Dataset, set[str]]:
    samples = list(dataset.splits["train"])
    random = np.random.default_rng(0)
    flipped = random.permutation(len(samples))[: int(share * len(samples))]
    for place in flipped:
        other = int((samples[place].label + random.integers(1, len(dataset.classes))) % len(dataset.classes))
        samples[place] = replace(samples[place], label=other)
    return replace(dataset, splits={"train": tuple(samples)}), {samples[place].name for place in flipped}


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_wrong_labels_among_digits(share: float) -> None:
    """Of the digits named, at least 95 % are wrong; of the wrong ones, at least 75 % are named."""
    pytest.importorskip("sklearn")
    dataset, wrong = mislabelled(open_dataset("digits"), share)
    named = {entry["image"] for entry in examine(dataset, show=False).suspicious}
    assert len(named & wrong) >= 0.95 * len(named) and len(named & wrong) >= 0.75 * len(wrong)


def test_few_false_alarms_among_digits(digits: Examination) -> None:
    assert len(digits.suspicious) <= 3 and digits.looked["classes_not_judged"] == []


def test_labels_that_an_embedding_cannot_see_are_not_judged(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", *(f"{name}/{index}.png" for name in "ab" for index in range(40)))  # noise
    seen = examine(open_dataset(folder), show=False)
    assert seen.suspicious == [] and seen.looked["classes_not_judged"] == ["a", "b"]
    assert any("a, b were not judged" in text for text in texts(seen, "note"))


def test_another_embedding_can_be_given(tmp_path: Path) -> None:
    from pocketvision.data.look import Embedding

    folder = tmp_path / "data"
    for label, level in (("dark", 40), ("light", 200)):
        (folder / label).mkdir(parents=True)
        for index in range(30):
            grey = np.full((8, 8), level + index, np.uint8)
            grey[0, index % 8] = index
            Image.fromarray(grey).save(folder / label / f"{index}.png")
    (folder / "dark" / "0.png").replace(folder / "light" / "wrong.png")
    shapes = []

    def brightness(images: np.ndarray) -> np.ndarray:
        shapes.append(images.shape)
        angle = images.mean(axis=(1, 2, 3), dtype=np.float32) / 256
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    seen = examine(open_dataset(folder), Embedding(brightness, 24, 1000, "brightness"), show=False)
    assert [(entry["image"], entry["neighbours_say"]) for entry in seen.suspicious] == [("light/wrong.png", "dark")]
    assert shapes == [(60, 24, 24, 3)]
    assert len(examine(open_dataset(folder), Embedding(brightness, 24, 10, "few"), show=False).suspicious) == 0
    assert shapes[1] == (10, 24, 24, 3)  # evenly spread


# --- classes, JSON, terminal


def test_classes_that_are_small_uneven_or_missing(tmp_path: Path) -> None:
    names = [f"train/many/{i}.png" for i in range(60)] + [f"train/few/{i}.png" for i in range(5)]
    seen = examine(open_dataset(plant(tmp_path / "data", *names, "val/few/1.png")), show=False)
    assert seen.imbalance == 12.0
    warnings = " ".join(texts(seen, "warning"))
    assert "few (5)" in warnings and "many has 12 times as many" in warnings and "val has no image of many" in warnings


def test_json_there_and_back(copies: Examination) -> None:
    content = json.loads(json.dumps(copies.to_json()))
    assert Examination.from_json(content) == copies
    assert {"images", "classes", "splits", "imbalance", "sides", "unreadable", "duplicates", "suspicious"} < set(
        content
    )
    for damaged in (None, [], {}, {**content, "more": 1}):
        with pytest.raises(InputError, match="--fresh"):
            Examination.from_json(damaged)


def test_what_a_person_reads(copies: Examination) -> None:
    file = io.StringIO()
    diagnosis(copies.to_json(), Console(file=file, width=120))
    shown = file.getvalue()
    assert shown.startswith("62 images in 2 classes · 45 to 64 px, the shorter side usually 64 · grey and colour · ")
    assert shown.index("error: ") < shown.index("warning: ") < shown.index("✓ every image can be read")
    file = io.StringIO()
    nasty = {**copies.to_json(), "findings": [{"severity": "note", "text": "[bold]x[/bold]"}]}
    diagnosis(nasty, Console(file=file, width=120))
    assert "[bold]x[/bold]" in file.getvalue()


def test_no_readable_image_at_all(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    seen = examine(open_dataset(tmp_path), show=False)
    assert len(seen.unreadable) == 2 and seen.sides == {} and seen.duplicates == []
    assert texts(seen, "error") == ["none of the 2 images of train can be read"]
    diagnosis(seen.to_json(), Console(file=io.StringIO()))
    with pytest.raises(InputError, match="1.png"):
        pv.train(tmp_path, "mobilenet_v1", out=tmp_path / "run", show=False)


# --- training goes by it


TINY: dict[str, Any] = {"width": 0.25, "resolution": 16, "epochs": 1, "show": False}


def test_training_leaves_out_what_cannot_be_read_and_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = stripes(tmp_path / "data", 24), tmp_path / "run"
    (folder / "down" / "bad.png").write_bytes(png()[:40])
    with pytest.raises(InputError, match="1 of 49 images .* down/bad.png: .*--strict"):
        pv.train(folder, "mobilenet_v1", out=out, strict=True, **TINY)
    assert not out.exists()
    pv.train(folder, "mobilenet_v1", out=out, **TINY)
    assert json.loads((out / "state" / "doctor.json").read_text())["images"] == 49
    saved = load_splits(out / "splits.json", open_dataset(folder))
    assert sum(map(len, saved.splits.values())) == 48
    (out / "result.json").unlink()  # as if it had been killed at the end
    monkeypatch.setattr("pocketvision.runfolder.examine", lambda *_: pytest.fail("examined again"))
    assert pv.train(folder, "mobilenet_v1", out=out, **TINY)["images"] == 10


def test_a_class_without_readable_images(tmp_path: Path) -> None:
    folder = stripes(tmp_path / "data", 4)
    for path in (folder / "down").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no images to train on of 1 class \(first: down\)"):
        pv.train(folder, "mobilenet_v1", out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()


def test_a_split_that_cannot_be_read_is_gone(tmp_path: Path) -> None:
    folder = plant(tmp_path / "data", "train/a/1.png", "train/b/1.png", "val/a/1.png")
    (folder / "val" / "a" / "1.png").write_bytes(b"")
    dataset = open_dataset(folder)
    assert list(drop_unreadable(dataset, examine(dataset, show=False)).splits) == ["train"]


def test_files_that_vanish_after_the_examination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pocketvision.fitting import train as module

    folder = stripes(tmp_path / "data", 24)
    saying: list[str] = []
    monkeypatch.setattr(reading, "say", saying.append)
    monkeypatch.setattr(reading, "_named", set())
    real = module.split_once

    def split_and_lose(*arguments: Any) -> Dataset:
        dataset = real(*arguments)
        for part in ("train", "val"):
            dataset.splits[part][3].image.path.unlink()
        return dataset

    monkeypatch.setattr(module, "split_once", split_and_lose)
    result = pv.train(folder, "mobilenet_v1", out=tmp_path / "run", **{**TINY, "show": True})
    assert result["images"] == 9
    assert [text.split(":")[1] for text in saying] == [" 1 of 38 images", " 1 of 10 images"]  # each named once


@pytest.fixture
def losing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, list[str]]:
    """Data of which every third file has vanished since it was listed; and what is said of that."""
    saying: list[str] = []
    monkeypatch.setattr(reading, "say", saying.append)
    monkeypatch.setattr(reading, "_named", set())
    dataset = open_dataset(stripes(tmp_path / "data", 6))
    for sample in dataset.splits["train"][::3]:
        sample.image.path.unlink()
    return dataset, saying


@pytest.mark.parametrize("cached", [True, False])
def test_images_never_get_anothers_label(
    losing: tuple[Dataset, list[str]], cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, saying = losing
    monkeypatch.setattr(loader, "CACHE_BYTES", 1 << 30 if cached else 0)
    p = preprocessing_for(16, 1)
    images = Images(dataset.splits["train"], p)
    assert len(images) == (8 if cached else 12)
    kept = [sample for index, sample in enumerate(dataset.splits["train"]) if index % 3]
    truth = {loader.network_view(sample.image, p).numpy().tobytes(): sample.label for sample in kept}
    for _ in range(2):
        for index in range(len(images)):
            image, label = images[index]
            assert truth[image.numpy().tobytes()] == label
    assert len(saying) == (1 if cached else 4) and all("not found" in text for text in saying)


def test_evaluation_and_export_check_skip_them(losing: tuple[Dataset, list[str]]) -> None:
    dataset, saying = losing
    net = pv.create_model("mobilenet_v1", 0.25, 16, dataset.classes, 1).eval()
    runnable = torch_runtime.load(net)
    samples = dataset.splits["train"]
    result = evaluate_samples(runnable, samples)
    assert (result.images, result.skipped) == (8, 4)
    assert result.labels.tolist() == [sample.label for index, sample in enumerate(samples) if index % 3]
    check = compare(runnable, runnable, [s.image for s in samples], labels=[s.label for s in samples], batch=3)
    assert (check.images, check.top1_agreement, check.top1) == (8, 1.0, result.top1)
    assert len(saying) == 1 and saying[0].startswith("left out, because they cannot be read: 4 of 12 images")
    for sample in samples:
        sample.image.path.unlink(missing_ok=True)
    with pytest.raises(InputError, match="none of (the )?12 images can be read"):
        evaluate_samples(runnable, samples)
    with pytest.raises(InputError, match="none of (the )?12 images can be read"):
        compare(runnable, runnable, [sample.image for sample in samples])


def test_the_public_function_and_the_command_agree(tmp_path: Path, call_cli: Callable[..., Any]) -> None:
    folder = stripes(tmp_path / "data", 12)
    status, stdout, stderr = call_cli("doctor", folder, "--json")
    assert status == 0, stderr
    ours, theirs = pv.doctor(folder, show=False), json.loads(stdout)
    ours.pop("looked"), theirs.pop("looked")
    assert ours == theirs
    assert call_cli("doctor", tmp_path / "nothing").returncode == 2


def fine(**changes: Any) -> list[str]:
    """What `doctor` ticks of an examination without findings, but for `changes` in what was looked at."""
    looked = {"near_duplicates_among": 100, "labels_judged_among": 100, "classes_not_judged": []}
    seen = {"images": 100, "classes": ["ants", "bees"], "splits": {"train": {}}, "unreadable": [], "unread": []}
    return _fine({**seen, "duplicates": [], "suspicious": [], "looked": {**looked, **changes}})


def test_only_what_was_judged_is_ticked() -> None:
    assert fine() == ["every image can be read", "no picture is there twice", "no label looks wrong"]
    assert fine(classes_not_judged=["ants"])[2:] == ["no label of bees looks wrong"]
    assert fine(classes_not_judged=["ants", "bees"])[2:] == []
    assert fine(labels_judged_among=0)[2:] == []  # several labels each
    assert fine(labels_judged_among=40)[2:] == ["none of the labels that were judged (40 of 100) looks wrong"]
    assert fine(near_duplicates_among=50)[1] == "no picture is there twice without a change"

"""Inside a job an image is decoded once, however many steps look at it; what is kept is bounded and never stale."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pocketvision as pv
from datafolders import plant, png
from pocketvision.data.image import decode, prepare, preprocessing_for
from pocketvision.data.imagefile import ImageFile
from pocketvision.data.kept import keeping_images
from pocketvision.data.sources import open_dataset
from pocketvision.evaluation import evaluate_samples
from pocketvision.exporting import export
from pocketvision.fitting.insight import calibrate_network
from pocketvision.fitting.ship import at_resolution
from pocketvision.models import create_model
from pocketvision.runtimes import torch as torch_runtime


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each image's bytes were read: once for each time that it is decoded."""
    counts: Counter[str] = Counter()
    read = ImageFile.read

    def counted(self: ImageFile) -> bytes:
        counts[self.path.name] += 1
        return read(self)

    monkeypatch.setattr(ImageFile, "read", counted)
    return counts


def two_classes(root: Path, each: int = 10) -> Path:
    return plant(root, *(f"{label}/{label}{i}.png" for label in "ab" for i in range(each)))


def test_a_training_decodes_each_image_once(tmp_path: Path, reads: Counter[str]) -> None:
    """Examined, trained on or validated, calibrated on, judged: and one look at the header before all that."""
    folder = two_classes(tmp_path / "data")
    pv.train(folder, "mobilenet_v1", width=0.25, resolution=16, epochs=1, out=tmp_path / "run", show=False)
    assert len(reads) == 20 and max(reads.values()) <= 2


def test_what_comes_after_a_training_decodes_each_image_once(tmp_path: Path, reads: Counter[str]) -> None:
    net = create_model("mobilenet_v1", width=0.25, resolution=16, classes=2).eval()
    net.classes = ("a", "b")
    samples = open_dataset(two_classes(tmp_path / "data")).splits["train"]

    with keeping_images():
        for resolution, resize in ((16, 16), (16, 18), (16, 20), (24, 24), (24, 27)):  # as the choice of what ships
            sized = torch_runtime.load(at_resolution(net, resolution, resize))
            assert evaluate_samples(sized, samples, show=False).images == 20
        calibrate_network(net, samples, show=False)
        export(net, "onnx", tmp_path / "net.onnx", [sample.image for sample in samples])
        evaluate_samples(pv.load(tmp_path / "net.onnx").runnable, samples, show=False)
    assert set(reads.values()) == {1}


def test_kept_pixels_are_those_of_the_file_as_it_is(tmp_path: Path, reads: Counter[str]) -> None:
    path, p = tmp_path / "a.png", preprocessing_for(8)
    path.write_bytes(png(0))
    with keeping_images():
        before = prepare(path, p)
        before[:] = 0  # whoever gets pixels may write to them
        assert np.array_equal(prepare(path, p), prepare(png(0), p)) and reads["a.png"] == 1
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(path)
        assert not prepare(path, p).any()
        path.write_bytes(b"")
        with pytest.raises(pv.InputError, match="it is empty"):
            prepare(path, p)
        path.unlink()
        with pytest.raises(pv.InputError, match="not found"):
            prepare(path, p)
    assert prepare(png(0), p).any()


def test_memory_is_bounded_and_only_used_inside_a_job(tmp_path: Path, reads: Counter[str]) -> None:
    folder, p = plant(tmp_path, *(f"{i}.png" for i in range(6))), preprocessing_for(8)
    places = [ImageFile(folder / f"{i}.png") for i in range(6)]
    with keeping_images(most=4 * 8 * 8 * 3):
        for _ in range(2):
            assert all(np.array_equal(prepare(place, p), prepare(place.path, p)) for place in places)
    assert reads["0.png"] == 1 and reads["5.png"] == 4  # the first stay, for the last there is no room
    for place in places:
        decode(place)
        prepare(place, p)
        prepare(place, p)
    assert min(reads.values()) >= 4  # nothing is kept outside


def test_evaluations_outside_a_job_keep_nothing(tmp_path: Path, reads: Counter[str]) -> None:
    net = create_model("mobilenet_v1", width=0.25, resolution=16, classes=2).eval()
    samples = open_dataset(two_classes(tmp_path / "data", 2)).splits["train"]
    for _ in range(2):
        evaluate_samples(torch_runtime.load(net), samples, show=False)
    assert set(reads.values()) == {2}

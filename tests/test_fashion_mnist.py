"""The built-in fashion-mnist: from Debian's package, or downloaded when that was asked for, and never otherwise."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from pocketvision.data import fashion_mnist
from pocketvision.data.builtin import builtin_path
from pocketvision.data.image import decode
from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import class_counts
from pocketvision.errors import InputError

PACKAGE = fashion_mnist.DEBIAN


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a line on standard error for each request."""

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def package() -> Path:
    if not PACKAGE.is_dir():
        pytest.skip("the package dataset-fashion-mnist is not installed: apt install dataset-fashion-mnist")
    return PACKAGE


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache on a machine without the package; returns the cache."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "nowhere")
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_picture_is_there_with_its_label(package: Path) -> None:
    dataset = open_dataset("fashion-mnist")
    assert (dataset.name, dataset.source) == ("fashion-mnist", "fashion-mnist")
    assert dataset.classes[0] == "Ankle boot" and len(dataset.classes) == 10  # sorted, as always
    assert set(class_counts(dataset)["train"].values()) == {6000}
    assert set(class_counts(dataset)["test"].values()) == {1000}
    images = np.frombuffer(gzip.open(package / "t10k-images-idx3-ubyte.gz").read()[16:], np.uint8).reshape(-1, 28, 28)
    labels = gzip.open(package / "t10k-labels-idx1-ubyte.gz").read()[8:]
    for sample in dataset.splits["test"][::500]:
        index = int(Path(sample.name).stem)
        assert np.array_equal(decode(sample.image, 1)[:, :, 0], images[index])
        assert dataset.classes[sample.label] == fashion_mnist.CLASSES[labels[index]]
    # A picture that can be checked without the files' labels: the documentation's first test image is an ankle boot.
    assert dataset.splits["test"][0].name == "test/Ankle boot/00000.pgm"
    assert builtin_path("fashion-mnist").name == "fashion-mnist.zip"
    assert not list(builtin_path("fashion-mnist").parent.glob(".fashion*"))
    assert open_dataset("fashion-mnist") == dataset  # the second time only the archive's directory is read


def test_without_the_package_one_sentence_says_both_ways(nothing_installed: Path) -> None:
    with pytest.raises(InputError, match="apt install dataset-fashion-mnist .* --download .* download=True"):
        open_dataset("fashion-mnist")
    assert os.listdir(nothing_installed) == []


def test_a_damaged_package(
    package: Path, tmp_path: Path, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "PARTS", fashion_mnist.PARTS[1:])  # the small half of it
    broken = tmp_path / "nowhere"
    broken.mkdir()
    for file in package.iterdir():
        (broken / file.name).symlink_to(file)
    labels = broken / "t10k-labels-idx1-ubyte.gz"
    whole = labels.read_bytes()
    labels.unlink()
    for content in (whole[:3000], gzip.compress(gzip.decompress(whole)[:-1]), b"not gzip at all"):
        labels.write_bytes(content)
        with pytest.raises(InputError, match=r"t10k-labels.*install or download it again"):
            open_dataset("fashion-mnist")
        assert os.listdir(nothing_installed) == []


def test_the_download(package: Path, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's own code, with its checksums, from a mirror on this machine."""
    datasets = pytest.importorskip("torchvision.datasets")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(package))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Debian compressed the files anew: the same pictures, other checksums than those of the original site.
        sums = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in sorted(package.iterdir())]
        monkeypatch.setattr(datasets.FashionMNIST, "resources", sums)
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        dataset = open_dataset("fashion-mnist", download=True)
        server.shutdown()
    assert {name: len(part) for name, part in dataset.splits.items()} == {"train": 60_000, "test": 10_000}
    assert os.listdir(nothing_installed) == ["fashion-mnist.zip"]


def test_a_download_that_fails(nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{tmp_path.as_uri()}/empty/"])
    with pytest.raises(InputError, match=r"could not be downloaded \(.*\): try again later") as caught:
        open_dataset("fashion-mnist", download=True)
    assert "\n" not in str(caught.value)
    assert os.listdir(nothing_installed) == []


def test_the_command_line_asks_before_it_downloads(call_cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("fit", "train", "eval"):
        assert "--download" in call_cli(command, "--help").stdout
    if PACKAGE.is_dir():
        pytest.skip("the package dataset-fashion-mnist is installed: there is nothing to ask for")
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path))
    status, _, stderr = call_cli("train", "fashion-mnist", "--model", "mobilenet_v1", cwd=tmp_path)
    assert status == 2 and "--download" in stderr

"""Counts kept in the cache folder: the same numbers as counting, in every process, whatever the file holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pocketvision.blocks import Bneck, Conv
from pocketvision.fitting.candidates import grid
from pocketvision.heads import Classifier
from pocketvision.measure import count_spec as counting
from pocketvision.measure import count_store
from pocketvision.measure.count import count
from pocketvision.measure.count_spec import count_spec, count_specs
from pocketvision.measure.count_store import FILE, RowStore, key_of
from pocketvision.network import build_meta
from pocketvision.spec import Spec

TINY = Spec("tiny", (Conv(3, 8, "relu", 2), Bneck(3, 48, 16, 8, "hswish")), Classifier(3), 16)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a process that has counted nothing."""
    monkeypatch.setenv("POCKETVISION_CACHE", str(tmp_path))
    forget()
    return tmp_path


def forget() -> None:
    """What a new process knows: only the file."""
    for remembered in (counting._count_row, counting._count_head):
        remembered.cache_clear()
    count_store._opened.cache_clear()


def never(*_: object) -> None:
    raise AssertionError("counted again")


def test_kept_counts_are_those_of_the_built_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = count_specs([TINY])
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(counting, "count", never)
        assert count_spec(TINY) == first == count(build_meta(TINY))


def test_the_grid_is_counted_once_for_all_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = grid(10, 1, 8, None)
    forget()
    monkeypatch.setattr(counting, "count", never)
    assert grid(10, 1, 8, None) == first


@pytest.mark.parametrize("harm", ["emptied", "cut", "a number changed", "of another version", "not text", "a folder"])
def test_a_damaged_file_is_counted_again(folder: Path, harm: str) -> None:
    (right,) = count_specs([TINY])
    path = folder / FILE
    text = path.read_text()
    if harm == "a folder":
        path.unlink()
        path.mkdir()
    elif harm == "not text":
        path.write_bytes(b"\xff\xfe\x00" * 50)
    else:
        digest, body = text.splitlines()
        changed = body.replace("[", "[1", 1)
        contents = {"emptied": "", "cut": text[: len(text) // 2], "a number changed": f"{digest}\n{changed}\n"}
        path.write_text(contents.get(harm, f"{'0' * len(digest)}\n{body}\n"))
    forget()
    assert count_specs([TINY]) == [right]
    if path.is_file():  # and mended
        forget()
        assert RowStore(path).get(str(key_of(TINY.trunk[0], TINY.conventions, (3, 16, 16)))) is not None


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("POCKETVISION_CACHE", str(folder / "file" / "below"))
    assert count_specs([TINY]) == [count(build_meta(TINY))]


def test_two_processes_that_write_lose_nothing_of_each_other(folder: Path) -> None:
    """Each has read the file before the other wrote."""
    row = counting._count_row(TINY.trunk[0], TINY.conventions, (3, 16, 16))
    path = folder / "shared.json"
    ours, theirs = RowStore(path), RowStore(path)
    ours.put("a", row)
    theirs.put("b", row)
    ours.save()
    theirs.save()
    assert RowStore(path).get("a") is not None and RowStore(path).get("b") is not None
    assert [entry.name for entry in folder.iterdir()] == ["shared.json"]


def test_rows_of_other_packages_are_not_kept() -> None:
    """Their source may change unnoticed."""

    @dataclass(frozen=True)
    class Own:
        out: int = 3

    assert key_of(Own(), (3, 16, 16)) is None
    assert key_of(TINY.trunk[0], (3, 16, 16)) not in (None, key_of(TINY.trunk[0], (3, 16, 17)))

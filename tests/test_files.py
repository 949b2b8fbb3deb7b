"""Writing files: all or nothing, and one clear sentence when it cannot be done."""

import os
from pathlib import Path

import pytest

from pocketvision.errors import InputError
from pocketvision.files import file_name, remove_temporary, writable_folder, write_atomic
from pocketvision.runfolder import RunFolder


@pytest.mark.parametrize(("data", "content"), [(b"\x00\xff", b"\x00\xff"), ("é\n", "é\n".encode())])
def test_write_atomic_writes_and_replaces(tmp_path: Path, data: bytes | str, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(b"something longer that was there before")
    write_atomic(path, data)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["report.json"]


def test_write_atomic_gives_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    write_atomic(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*model\.safetensors: no space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("place", ["absent/file.json", "a_file/file.json"])
def test_write_atomic_into_a_folder_that_is_none(tmp_path: Path, place: str) -> None:
    (tmp_path / "a_file").write_text("")
    with pytest.raises(InputError, match="cannot write") as caught:
        write_atomic(tmp_path / place, "data")
    assert "\n" not in str(caught.value)


def test_writable_folder_creates_it_and_leaves_it_empty(tmp_path: Path) -> None:
    folder = writable_folder(str(tmp_path / "runs" / "demo"))
    assert folder == tmp_path / "runs" / "demo"
    assert os.listdir(folder) == []
    assert writable_folder(folder) == folder


def test_writable_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("kept")
    with pytest.raises(InputError, match="cannot write to folder .*a_file.*choose another folder"):
        writable_folder(tmp_path / "a_file")
    with pytest.raises(InputError, match="cannot write to folder"):
        writable_folder(tmp_path / "a_file" / "runs")
    assert (tmp_path / "a_file").read_text() == "kept"


def test_writable_folder_notices_a_folder_without_permission(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere (root, or a system without such permissions)")
    with pytest.raises(InputError, match="permission denied"):
        writable_folder(closed)


def test_what_a_killed_write_left_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    left = tmp_path / "state" / ".model.onnx.0a1b2c3d.tmp"
    others = [tmp_path / name for name in ("notes.tmp", ".notes.tmp", ".notes.of-mine.tmp")]
    for path in (left, *others):
        path.write_text("half")
    remove_temporary(tmp_path)
    assert not left.exists() and all(path.exists() for path in others)


def test_temporary_files_are_known_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill between writing and renaming leaves is what `remove_temporary` takes away."""
    names = ("model.onnx", "n" * 120 + ".json")
    with monkeypatch.context() as patch:
        patch.setattr("pocketvision.files.os.replace", lambda *_: None)
        patch.setattr("pocketvision.files._remove", lambda _: None)
        for name in names:
            write_atomic(tmp_path / name, "half")
    assert len(list(tmp_path.iterdir())) == len(names)
    remove_temporary(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_in_any_script_is_short_enough_for_a_file_system(tmp_path: Path) -> None:
    for text in ("网" * 150, "é" * 199, "x" * 300, "../up", ""):
        name = file_name(text) + ".safetensors"
        (tmp_path / name).write_text("")
        assert Path(name).name == name and len(name.encode()) <= 255
    assert len(os.listdir(tmp_path)) == 5


@pytest.mark.parametrize("content", ["[]", "5", '"x"', "null", "", "{"])
def test_a_damaged_file_in_a_run_folder_is_one_sentence(tmp_path: Path, content: str) -> None:
    for damaged, result in (("state/settings.json", "a.json"), ("result.json", "result.json")):
        out = tmp_path / result
        RunFolder(out, {"lr": 1.0}, result)
        (out / damaged).write_text(content)
        with pytest.raises(InputError, match=f"{damaged} is damaged .*: delete it, or choose another"):
            RunFolder(out, {"lr": 1.0}, result).read(damaged)

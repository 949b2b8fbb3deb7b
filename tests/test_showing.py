"""What reaches standard output: for people, files and pipes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from pocketvision.cli import forgive


def test_no_line_in_a_file_ends_in_blanks(call_cli: Callable) -> None:
    status, out, _ = call_cli("models", "mobilenet_v1*")
    assert status == 0 and len(out.splitlines()) > 10
    status, more, _ = call_cli("doctor", "digits")
    assert status == 0 and "images in 10 classes" in more
    assert [line for line in (out + more).splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("encoding", "written"), [("utf-8", b"gr\xc3\xb6\xc3\x9fe \xff"), ("ascii", rb"gr\xf6\xdfe \udcff")]
)
def test_signs_that_cannot_be_encoded_end_nothing(encoding: str, written: bytes) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    forgive(file)
    file.write("gr\u00f6\u00dfe \udcff")  # the last is a byte of a file's name that is no UTF-8
    file.flush()
    assert raw.getvalue() == written
    forgive(io.StringIO())  # nothing to mend


def test_a_path_in_other_letters_on_an_ascii_terminal(run_cli: Callable, tmp_path: Path) -> None:
    status, out, err = run_cli(
        "export",
        "mobilenet_v1_0.25_128",
        "--out",
        "gr\u00f6\u00dfe.onnx",
        cwd=tmp_path,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert (status, err) == (0, "") and r"predict 'gr\xf6\xdfe.onnx'" in out

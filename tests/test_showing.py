"""What reaches standard output: for people, files and pipes."""

from __future__ import annotations

from collections.abc import Callable


def test_no_line_in_a_file_ends_in_blanks(call_cli: Callable) -> None:
    status, out, _ = call_cli("models", "mobilenet_v1*")
    assert status == 0 and len(out.splitlines()) > 10
    status, more, _ = call_cli("doctor", "digits")
    assert status == 0 and "images in 10 classes" in more
    assert [line for line in (out + more).splitlines() if line != line.rstrip()] == []

"""Runs the README: what a reader would paste must work, in the order in which it stands there.

Lines starting with `pocketvision ` in ```console and ```bash fences, and whole ```python fences, are run in one
temporary folder, so that what one command writes the next can read. A fence that cannot run here (it needs a camera,
an hour, the user's own files) says so in an HTML comment on the line above it: <!-- not run: reason -->
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ROOT, command_environment

README = ROOT / "README.md"
NOT_RUN = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")
IN_THIS_PROCESS = ("fit", "train", "export", "profile", "models")  # where importing PyTorch anew would take seconds


@dataclass(frozen=True)
class Snippet:
    """Something to run: `text` as it stands at `line`; `skipped` is the reason why not, None if it runs."""

    line: int
    language: str
    text: str
    skipped: str | None


def fences(text: str) -> Iterator[tuple[int, str, list[str], str | None]]:
    """(line of the first inner line, language, inner lines, reason not to run) of every fenced block."""
    reason: str | None = None
    opened: tuple[int, str] | None = None
    inner: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if opened is not None:
            if line.strip() == "```":
                yield *opened, inner, reason
                opened, inner, reason = None, [], None
            else:
                inner.append(line)
        elif line.startswith("```"):
            opened = (number + 1, line[3:].strip())
        elif comment := NOT_RUN.search(line):
            reason = comment[1]
        elif line.strip():
            reason = None
    assert opened is None, f"the fence before line {opened} is never closed"


def snippets(text: str) -> Iterator[Snippet]:
    for first, language, lines, reason in fences(text):
        if language == "python":
            yield Snippet(first, language, "\n".join(lines), reason)
        elif language in ("console", "bash"):
            joined = ""
            for number, line in enumerate(lines, first):
                joined += line.removeprefix("$ ")
                if joined.endswith("\\"):
                    joined = joined[:-1]
                    continue
                if joined.startswith("pocketvision "):
                    yield Snippet(number, language, joined, reason)
                joined = ""


def readme() -> list[Snippet]:
    return list(snippets(README.read_text()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README is run. On its PATH `pocketvision` is this checkout's."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "bin").mkdir()
    script = folder / "bin" / "pocketvision"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pocketvision "$@"\n')
    script.chmod(0o755)
    (folder / "here").mkdir()
    return folder


def words(text: str) -> list[str]:
    """The arguments of `pocketvision` as the shell makes them of a line."""
    shown = f'pocketvision() {{ printf "%s\\0" "$@"; }}\n{text}'
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", shown], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize("snippet", readme(), ids=lambda s: f"line {s.line}: {s.text.splitlines()[0][:60]}")
def test_the_readme_runs(snippet: Snippet, folder: Path, call_cli) -> None:
    if snippet.skipped is not None:
        pytest.skip(snippet.skipped)
    environment = command_environment()
    environment["PATH"] = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), environment["PATH"]])

    def process(command: str | list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            shell=isinstance(command, str),
            cwd=folder / "here",
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    if snippet.language == "python":
        done = process([sys.executable, "-c", snippet.text])
    elif snippet.text.split()[1] in IN_THIS_PROCESS:
        done = call_cli(*words(snippet.text), cwd=folder / "here")
    else:
        done = process(["bash", "-euo", "pipefail", "-c", snippet.text])
    # On a machine that is too busy `fit` may end without a tick: what it writes is there all the same.
    expected = 1 if " fit " in snippet.text and "not usable yet: " in done.stderr else 0
    assert done.returncode == expected, f"README.md line {snippet.line}: {snippet.text}\n{done.stdout}\n{done.stderr}"
    *_, title, first, second = ["", "", "", *done.stdout.splitlines()]
    assert (title == "Use it:") == bool(re.match("pocketvision (fit|train|export)", snippet.text)), done.stdout
    for line in (first, second) if snippet.text.startswith("pocketvision fit") else ():
        used = process(line)
        assert used.returncode == 0, f"{line}\n{used.stderr}"


def test_words_are_those_of_the_shell() -> None:
    assert words("pocketvision models 'mobilenet *' \"${NOT_SET:-a b}\"  # all") == ["models", "mobilenet *", "a b"]


def test_there_is_something_to_run() -> None:
    languages = {snippet.language == "python" for snippet in readme() if snippet.skipped is None}
    assert languages == {True, False}  # the command line and Python both


def test_every_skip_says_why() -> None:
    assert [snippet for snippet in readme() if snippet.skipped == ""] == []


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_two_commands_are_there(command: str) -> None:
    first_screen = "\n".join(README.read_text().splitlines()[:60])
    assert command in first_screen
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_what_counts_as_a_snippet() -> None:
    text = "\n".join(
        [
            "```console",
            "$ pocketvision models \\",
            "    'mobilenet*'",
            "some output",
            "```",
            "<!-- not run: no camera here -->",
            "",
            "```bash",
            "pocketvision serve  # waits",
            "```",
            "```python",
            "import pocketvision",
            "```",
        ]
    )
    command, skipped, python = snippets(text)
    assert command == Snippet(3, "console", "pocketvision models     'mobilenet*'", None)
    assert skipped == Snippet(9, "bash", "pocketvision serve  # waits", "no camera here")
    assert python == Snippet(12, "python", "import pocketvision", None)

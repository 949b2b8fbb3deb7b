"""What a stranger asks first: version, help, completion, and where an error sends them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pocketvision
from conftest import command_environment
from pocketvision.commands import COMMANDS
from pocketvision.commands.app import PANELS
from pocketvision.commands.examples import EXAMPLES


def test_version(call_cli: Callable) -> None:
    assert call_cli("--version") == (0, f"pocketvision {pocketvision.__version__}\n", "")


def test_alone_it_prints_its_help(call_cli: Callable) -> None:
    status, out, err = call_cli()
    assert (status, err) == (0, "")
    assert out == call_cli("--help").stdout and "Usage: pocketvision" in out
    for name in COMMANDS:
        assert re.search(rf"^│ {name} ", out, re.MULTILINE)


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_whole_at_any_width(
    command: str, columns: int, call_cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    status, out, err = call_cli(command, "--help")
    assert (status, err) == (0, "")
    assert "…" not in out and max(map(len, out.splitlines())) <= columns
    assert not re.search(r"<\w+", out)  # Python's types are nothing for people
    words = out.replace("│", " ").split()
    import typer

    from pocketvision.commands.app import make_app

    parameters = typer.main.get_command(make_app()).commands[command].params
    assert len(parameters) > 1
    for parameter in parameters:
        for option in parameter.opts:
            assert option in words or parameter.param_type_name == "argument"
        if parameter.param_type_name == "option" and parameter.default not in (None, False):
            assert str(parameter.default) in " ".join(words)


def test_paragraphs_fill_their_lines(call_cli: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.strip() for line in call_cli("fit", "--help").stdout.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("Exit status 0: done"))
    paragraph = lines[first : lines.index("", first)]
    for line, following in zip(paragraph, paragraph[1:], strict=False):
        assert len(line) + 1 + len(following.split()[0]) > 78  # no room was left for the next word


def test_options_are_in_groups_with_choices_and_examples(call_cli: Callable) -> None:
    out = call_cli("fit", "--help").stdout
    for group in ("Arguments", "Options", "Limits besides time", "Training", "The run's folder", "Data"):
        assert f"─ {group} ─" in out
    assert "[default: 30m]" in out and "[required]" in out and "tensorboard|wandb" in out
    assert "$ pocketvision fit photos/ --budget 5ms\n" in re.sub(" +\n", "\n", out)


def test_each_command_has_a_group_and_examples() -> None:
    assert set(PANELS) == set(COMMANDS) and set(EXAMPLES) == {"", *COMMANDS}
    for name, lines in EXAMPLES.items():
        assert lines
        for line in lines:
            assert line.startswith(f"pocketvision {name}".rstrip()) and len(line) < 76


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["fit"], "Missing argument 'DATA' (see 'pocketvision fit --help')"),
        (["fit", "photos"], "Missing option '--budget' (see 'pocketvision fit --help')"),
        (["bench", "mobilenet_v2", "--batch"], "'--batch' requires an argument (see 'pocketvision bench --help')"),
        (["predict", "--frob"], "No such option: --frob (see 'pocketvision predict --help')"),
        (["train", "x", "--model", "y", "--epochs", "many"], "(see 'pocketvision train --help')"),
        (["fitt"], "No such command 'fitt'. Did you mean 'fit'? (see 'pocketvision --help')"),
        (["--frob"], "No such option: --frob (see 'pocketvision --help')"),
    ],
)
def test_an_error_sends_to_the_commands_own_help(line: list[str], said: str, call_cli: Callable) -> None:
    status, out, err = call_cli(*line)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and said in err and err.count("\n") == 1


def completed(words: str, tmp_path: Path) -> list[str]:
    """What the shell offers at the end of `words`, by the script that --show-completion prints, in a real bash."""
    (tmp_path / "pocketvision").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pocketvision "$@"\n')
    (tmp_path / "pocketvision").chmod(0o755)
    script = """
    pocketvision --show-completion > "$1/script" && . "$1/script"
    read -ra COMP_WORDS <<< "$2"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _pocketvision_completion pocketvision
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    environment = command_environment()
    environment["PATH"] = os.pathsep.join([str(tmp_path), environment["PATH"]])
    command = ["bash", "-c", script, "bash", str(tmp_path), words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_shell_completes_commands_options_and_models(tmp_path: Path) -> None:
    assert completed("pocketvision pr", tmp_path) == ["predict", "profile"]
    assert completed("pocketvision fit --max-m", tmp_path) == ["--max-macs", "--max-memory"]
    assert completed("pocketvision train digits --model mnasnet_", tmp_path) == [
        "mnasnet_a1",
        "mnasnet_b1",
        "mnasnet_small",
    ]
    assert completed("pocketvision bench mobilenet_v2 --runtime open", tmp_path) == ["openvino"]

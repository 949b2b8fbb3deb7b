"""The run that a folder holds, and whether a command may go on with it: known before anything heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pocketvision.errors import InputError

OPTIONS = {"seconds": "time", "budget_ms": "budget", "spec": "network"}  # settings that people know by other names


def read_json(path: Path, kind: type = dict) -> Any:
    """JSON content, of `kind`, of a file in a run folder; None when it is not there yet."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, kind):
            raise ValueError(f"it is no {kind.__name__}")
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): delete it, or choose another --out folder") from None
    return content


def differing(begun: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """The names of settings that are not those of the run."""
    return [key for key in {**settings, **begun} if begun.get(key) != settings.get(key)]


def other_settings(out: Path, changed: Sequence[str], also: str = "", retime: bool = False) -> InputError:
    """What is wrong with `changed` settings. `retime`: nothing new is to be made of the run."""
    names = ", ".join(OPTIONS.get(name, name) for name in changed)
    said = f"{out} holds a run with other settings ({names} differ{also})"
    if retime:
        return InputError(f"{said}: --retime takes the run as it was made, give the settings that it was begun with")
    return InputError(f"{said}: choose another --out folder, or --fresh to start it again")


def nothing_to_retime(out: Path) -> InputError:
    """What is wrong with --retime where no run was finished."""
    return InputError(f"{out} holds no finished run to time again: leave out --retime")

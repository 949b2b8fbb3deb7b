"""What a run has found so far, network by network, so that one that was stopped goes on where it was.

Beside the script as NAME.partial.jsonl until the run ends. Results of another commit, seed or version of a library are
not kept: they are no results of this run.
"""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from references import LIBRARIES, Reference, missing_library
from torch import nn

HERE = Path(__file__).parent


def provenance(command: str, seed: int) -> dict[str, Any]:
    """What the numbers depend on: command, commit, seed and the versions of the libraries that are installed."""
    git = ["git", "-C", str(HERE)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "--", "../../src", "*.py"], capture_output=True, text=True)
    found = {name: version(name) for name in LIBRARIES if not missing_library(Reference(name, "", "", nn.Identity))}
    return {
        "command": command,
        "commit": commit + (" with changes" if changed.stdout else ""),
        "seed": seed,
        "versions": {"torch": version("torch"), **found},
    }


class Progress:
    """The lines of an unfinished run of the same `about`, and a place for further ones."""

    def __init__(self, name: str, about: dict[str, Any]) -> None:
        self.path = HERE / f"{name}.partial.jsonl"
        text = self.path.read_text() if self.path.is_file() else ""
        whole = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]  # a killed run left half a line
        self.found: dict[str, Any] = (
            {line["name"]: line["result"] for line in whole[1:]} if whole[:1] == [about] else {}
        )
        entries = [{"name": name, "result": result} for name, result in self.found.items()]
        self.path.write_text("".join(json.dumps(entry) + "\n" for entry in (about, *entries)))

    def add(self, name: str, result: Any) -> None:
        self.found[name] = result
        with self.path.open("a") as file:
            file.write(json.dumps({"name": name, "result": result}) + "\n")

    def finish(self) -> None:
        self.path.unlink()

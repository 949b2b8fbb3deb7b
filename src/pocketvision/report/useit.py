"""How to use what a run made: a line for the command line and one for Python, for the terminal and the page. [core]"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

TITLE = "Use it"
ANY = "photo.jpg"  # where no image of the data is a file of its own


def use_it(file: str | Path, image: str | Path | None) -> list[str]:
    """Two lines for a shell that name `image`, one of the data, so that they run as they stand."""
    image = str(image or ANY)
    python = f"import pocketvision as pv; print(pv.load({_quoted(file)}).predict({_quoted(image)})[0])"
    return [shlex.join(["pocketvision", "predict", str(file), image]), f"python -c {shlex.quote(python)}"]


def _quoted(text: object) -> str:
    """As Python reads it, in double quotes: the shell's are single ones."""
    return json.dumps(str(text), ensure_ascii=False)

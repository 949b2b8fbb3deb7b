"""What a long run has found out so far, step by step, so that a killed one repeats no step that was finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pocketvision.errors import InputError
from pocketvision.files import write_atomic


class Journal:
    """Results by name, in a JSON file; without a path in memory alone."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.known: dict[str, Any] = {}
        if path and path.is_file():
            try:
                self.known = dict(json.loads(path.read_text()))
            except (ValueError, TypeError) as error:
                raise InputError(f"{path} is damaged ({error}): delete it, its steps are then done again") from None

    def once(self, name: str, step: Callable[[], Any]) -> Any:
        """What `step` gave when it was done, in this process or an earlier one; else do it, and remember its result.

        The result is plain JSON. A name stands for one step: who does a thing twice gives it two.
        """
        if name not in self.known:
            self.known[name] = step()
            if self.path:
                write_atomic(self.path, json.dumps(self.known, indent=1))
        return self.known[name]

"""Counted rows, kept in the cache folder between processes: a grid's 4,000 take seconds to count and 0.1 s to read."""

from __future__ import annotations

import contextlib
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import pocketvision
from pocketvision.data.builtin import cache_folder
from pocketvision.errors import InputError
from pocketvision.files import writable_folder, write_atomic
from pocketvision.measure.count import Amount, Costs, RowCosts
from pocketvision.measure.kinds import KINDS

FILE = "counts.json"
MOST = 50_000  # rows: what is counted beyond is not kept
OURS = "pocketvision."  # modules whose rows are kept: a change of any other would go unnoticed


class RowStore:
    """Costs of single rows by what they were counted from. Right or absent: never a reason to fail.

    The file's first line is a digest of its second, of the package's source and of PyTorch's version: after a change
    of any of them, everything is counted again. Several processes may write: one of them wins, whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, Any] = _read(path)
        self._fresh: dict[str, Any] = {}

    def get(self, key: str) -> Costs | None:
        """What was counted for `key`, with the row unnamed; None when it has to be counted."""
        found = self._fresh.get(key) or self._rows.get(key)
        return _decode(found) if found else None

    def put(self, key: str, costs: Costs) -> None:
        """Remember `costs` of one row; in the file after `save`."""
        self._fresh[key] = _encode(costs)

    def save(self) -> None:
        """Add what is new to the file. Where nothing can be written, nothing is kept."""
        if not self._fresh:
            return
        rows = {**_read(self.path), **self._fresh}
        body = json.dumps(dict(list(rows.items())[-MOST:]), separators=(",", ":"))
        with contextlib.suppress(InputError):  # a folder that cannot be written, a full disk: it is only a cache
            writable_folder(self.path.parent)
            write_atomic(self.path, f"{_digest(body)}\n{body}\n")
        self._rows, self._fresh = {**self._rows, **self._fresh}, {}


def store() -> RowStore:
    """The one of the cache folder, read once."""
    return _opened(cache_folder() / FILE)


def key_of(line: Any, *rest: Any) -> str | None:
    """The name under which a frozen row (or head), counted with `rest`, is kept; None for a row that is not ours."""
    kind = type(line)
    if not kind.__module__.startswith(OURS):
        return None
    text = f"{kind.__module__} {(line, *rest)!r}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@lru_cache(maxsize=1)
def _opened(path: Path) -> RowStore:
    return RowStore(path)


def _read(path: Path) -> dict[str, Any]:
    """The rows in the file; none when it is missing, damaged or of another version."""
    try:
        digest, body = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, ValueError):
        return {}
    return dict(json.loads(body)) if digest == _digest(body) else {}


def _digest(body: str) -> str:
    return hashlib.blake2b(f"{_version()}\n{body}".encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=1)
def _version() -> str:
    """Of everything that a count follows from: the package's source, whole (10 ms), and PyTorch."""
    source = hashlib.blake2b(torch.__version__.encode(), digest_size=16)
    folder = Path(pocketvision.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        source.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return source.hexdigest()


def _encode(costs: Costs) -> list[Any]:
    (row,) = costs.rows
    kinds = {kind: _amounts(amount) for kind, amount in costs.kinds.items() if amount != Amount()}
    return [_amounts(costs), costs.peak_activation_bytes, _amounts(row), row.input, row.output, kinds]


def _decode(found: list[Any]) -> Costs:
    total, peak, own, entered, left, kinds = found
    params, macs, mac_bytes, activations = total
    row = RowCosts(**vars(Amount(*own)), input=tuple(entered), output=tuple(left))
    amounts = {kind: Amount(*kinds.get(kind, ())) for kind in KINDS}
    return Costs(params, macs, mac_bytes, peak, (row,), amounts, activations)


def _amounts(costs: Amount | Costs) -> tuple[int, int, int, int]:
    return costs.params, costs.macs, costs.mac_bytes, costs.activations

"""The progress of the long comparisons in experiments/parity: a stopped run goes on, another run begins anew."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from conftest import ROOT

FOLDER = ROOT / "experiments" / "parity"


@pytest.fixture
def progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("progress_of_sweeps", FOLDER / "progress.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HERE", tmp_path)
    yield module
    sys.modules.pop("references")


def test_a_stopped_run_goes_on_where_it_was(progress: ModuleType, tmp_path: Path) -> None:
    about = {"commit": "a", "seed": 0}
    first = progress.Progress("sweep", about)
    first.add("timm/x", {"bare": "agrees"})
    first.add("timm/y", None)
    path = tmp_path / "sweep.partial.jsonl"
    path.write_text(path.read_text() + '{"name": "timm/z", "result": {"bare": "agrees"}')  # killed while it wrote
    again = progress.Progress("sweep", about)
    assert again.found == {"timm/x": {"bare": "agrees"}, "timm/y": None}
    assert progress.Progress("sweep", {**about, "commit": "b"}).found == {}
    again.finish()
    assert not path.exists()

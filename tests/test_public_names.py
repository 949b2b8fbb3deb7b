"""The public surface is this list. Adding a name here is a promise; removing one breaks somebody's program."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pocketvision
from conftest import command_environment

PUBLIC = [
    "InputError",
    "Network",
    "Result",
    "Spec",
    "bench",
    "build",
    "create_model",
    "doctor",
    "evaluate",
    "export",
    "features",
    "fit",
    "list_models",
    "load",
    "measure",
    "profile",
    "save",
    "train",
]


def test_all_is_the_literal_list() -> None:
    assert sorted(pocketvision.__all__) == PUBLIC


def test_every_name_resolves() -> None:
    for name in PUBLIC:
        found = getattr(pocketvision, name)
        assert callable(found) or isinstance(found, ModuleType), name
    assert callable(pocketvision.measure.table)


def test_dir_shows_them() -> None:
    assert set(PUBLIC) <= set(dir(pocketvision))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(pocketvision, "create_modle")


def test_importing_the_package_stays_lazy() -> None:
    """Heavy libraries come with the first name that needs them, so that the command line starts at once."""
    heavy = ["torch", "onnxruntime", "numpy", "PIL", "typer"]
    code = f"import sys, pocketvision; dir(pocketvision); print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=command_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr

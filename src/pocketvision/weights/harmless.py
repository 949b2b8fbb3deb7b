"""Types that only hold data, which scripts keep in checkpoints beside the tensors: the list of what is read.

Others are refused, and named. Nothing of theirs is executed: classes of configurations, which could do anything when
they are filled, are not even imported. An empty stand-in takes what the file says of them.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import importlib
import pathlib
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

DICTIONARIES = (
    "easydict.EasyDict", "addict.addict.Dict", "yacs.config.CfgNode", "mmengine.config.config.ConfigDict",
    "fvcore.common.config.CfgNode",
    "pytorch_lightning.utilities.parsing.AttributeDict", "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
)  # fmt: skip
OBJECTS = (
    *(f"omegaconf.{name}" for name in (
        "dictconfig.DictConfig", "listconfig.ListConfig", "base.ContainerMetadata", "base.Metadata",
        "nodes.AnyNode", "nodes.StringNode", "nodes.IntegerNode", "nodes.FloatNode", "nodes.BooleanNode",
        "nodes.BytesNode", "nodes.PathNode", "nodes.EnumNode", "nodes.InterpolationResultNode",
    )),
    "ml_collections.config_dict.config_dict.ConfigDict",
    "typing.Any",
    # Together with others these make of a few bytes a list that fills the memory, or a number that takes for ever.
    *(f"builtins.{name}" for name in ("range", "slice", "int", "float", "str", "bool")),
)  # fmt: skip


class _Dictionary:
    """In the place of a class of dictionaries; PyTorch's reader fills no others than its own."""

    def __new__(cls, *_: Any) -> Any:
        return collections.OrderedDict()


class _Object:
    """In the place of any other class: its attributes alone."""

    def __new__(cls, *_: Any) -> _Object:
        return object.__new__(cls)


def _list(*_: Any) -> list[Any]:
    """In a deque's place: its items follow."""
    return []


def harmless() -> list[Any]:
    """For `torch.serialization.safe_globals`; a pair says under which name another stands.

    Paths become pure ones, which touch no file, and are known on every system.
    """
    multiarray: Any = importlib.import_module("numpy._core.multiarray")
    kinds = {type(np.dtype(kind)) for kind in np.typecodes["All"]}
    found: list[Any] = [
        list, dict, tuple, frozenset, bytes, decimal.Decimal,
        datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone,
        argparse.Namespace, types.SimpleNamespace, np.ndarray, np.dtype, *kinds, torch.torch_version.TorchVersion,
        (_Dictionary, "collections.defaultdict"), (_list, "collections.deque"),
        *((_Dictionary, name) for name in DICTIONARIES), *((_Object, name) for name in OBJECTS),
    ]  # fmt: skip
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1 and 2
        found += [(getattr(multiarray, name), f"{module}.{name}") for name in ("scalar", "_reconstruct")]
    for module in ("pathlib", "pathlib._local"):
        found += [(pathlib.PurePosixPath, f"{module}.{name}") for name in ("PosixPath", "PurePosixPath")]
        found += [(pathlib.PureWindowsPath, f"{module}.{name}") for name in ("WindowsPath", "PureWindowsPath")]
    return found


def refused(path: Path, error: Exception) -> str:
    """The types in a file that are not on the list, for people; "" where its pickle cannot be followed."""
    try:
        with torch.serialization.safe_globals(harmless()):
            found = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            return ", ".join(sorted(found, key=lambda name: name.startswith("torch.nn"))[:3])  # the own class first
    except Exception:  # damaged in whatever way, or an old file, of which PyTorch names the first such type alone
        named = re.search(r"GLOBAL (\S+)", str(error))
        return named[1] if named else ""

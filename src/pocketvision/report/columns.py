"""What the tables of the command line show: for each, its columns as (key, heading, format)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import text

Format = str | Callable[[Any], str]
"""How a column shows a value: a format specification (`".2f"`; `""` as it is) or a function."""

Columns = Sequence[tuple[str, str, Format]]


def _shape(sides: Sequence[int]) -> str:
    return "x".join(str(side) for side in sides)


def _bare(value: Any) -> str:
    return str(value)


# fmt: off
MODELS: Columns = (
    ("name",           "name",           _bare),
    ("resolution",     "px",             _bare),
    ("params",         "params",         text.count),
    ("macs",           "multiply-adds",  text.count),
    ("published_top1", "ImageNet top-1", text.percent),
)

PROFILE_ROWS: Columns = (
    ("row",    "row",           _bare),
    ("kind",   "kind",          _bare),
    ("input",  "input",         _shape),
    ("output", "output",        _shape),
    ("params", "params",        text.count),
    ("macs",   "multiply-adds", text.count),
    ("ms",     "ms in torch",   ".3f"),
)

PROFILE_KINDS: Columns = (
    ("kind",         "kind",          _bare),
    ("macs",         "multiply-adds", text.count),
    ("share_macs",   "share",         text.percent),
    ("params",       "params",        text.count),
    ("share_params", "share",         text.percent),
    ("ms",           "ms in torch",   ".3f"),
    ("share_ms",     "share",         text.percent),
)

TRAIN: Columns = (
    ("model",  "model",  _bare),
    ("split",  "split",  _bare),
    ("images", "images", text.whole),
    ("top1",   "top-1",  text.percent),
    ("top5",   "top-5",  text.percent),
    ("epochs", "epochs", _bare),
    ("file",   "file",   _bare),
)

EVAL: Columns = (
    ("split",  "split",  _bare),
    ("images", "images", text.whole),
    ("top1",   "top-1",  lambda value: text.percent(value, 2)),
    ("top5",   "top-5",  lambda value: text.percent(value, 2)),
)

TRAIN_MULTILABEL: Columns = (
    ("model",  "model",       _bare),
    ("split",  "split",       _bare),
    ("images", "images",      text.whole),
    ("map",    "mAP",         text.percent),
    ("f1",     "F1",          text.percent),
    ("exact",  "all correct", text.percent),
    ("epochs", "epochs",      _bare),
    ("file",   "file",        _bare),
)

EVAL_MULTILABEL: Columns = (
    ("split",  "split",       _bare),
    ("images", "images",      text.whole),
    ("map",    "mAP",         lambda value: text.percent(value, 2)),
    ("f1",     "F1",          lambda value: text.percent(value, 2)),
    ("exact",  "all correct", lambda value: text.percent(value, 2)),
)

PREDICT: Columns = (
    ("image",       "image",       _bare),
    ("name",        "class",       _bare),
    ("probability", "probability", text.percent),
    ("unsure",      "unsure",      _bare),
)

EXPORT: Columns = (
    ("path",           "file",            _bare),
    ("size_bytes",     "size",            text.size),
    ("images",         "images compared", text.whole),
    ("top1_agreement", "same answer",     text.percent),
    ("max_abs_error",  "largest error",   ".1e"),
)

BENCH: Columns = (
    ("model",            "model",     _bare),
    ("runtime",          "runtime",   _bare),
    ("threads",          "threads",   _bare),
    ("batch",            "batch",     _bare),
    ("median_ms",        "median ms", ".3f"),
    ("p10_ms",           "p10",       ".3f"),
    ("p90_ms",           "p90",       ".3f"),
    ("ratio_to_fastest", "ratio",     ".2f"),
    ("fraction_of_peak", "of peak",   text.percent),
)
# fmt: on

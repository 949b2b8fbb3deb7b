"""What the tables of the command line show: for each, its columns as (key, heading, format)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pocketvision.units import counted

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

# The columns of papers' tables, in the papers' order; of each table those that say something.
TABLE = {
    "kernel":    "k",
    "narrow":    "narrow",
    "expand":    "exp",
    "widths":    "widths",
    "one":       "1x1",
    "three":     "3x3",
    "out":       "out",
    "squeeze":   "squeeze",
    "gate":      "gate",
    "groups":    "groups",
    "first":     "first",
    "act":       "act",
    "stride":    "s",
    "padding":   "pad",
    "bypass":    "bypass",
    "residual":  "residual",
    "separable": "separable",
    "dropout":   "dropout",
}

PROFILE_ROWS: Columns = (
    ("row",        "row",           _bare),
    ("kind",       "kind",          _bare),
    ("input",      "input",         _shape),
    ("output",     "output",        _shape),
    ("params",     "params",        text.count),
    ("macs",       "multiply-adds", text.count),
    ("ms",         "ms",            ".3f"),
    ("share_ms",   "share",         text.percent),
    ("of_machine", "of machine",    text.percent),
    ("bound",      "bound by",      _bare),
)

PROFILE_KINDS: Columns = (
    ("kind",         "kind",          _bare),
    ("macs",         "multiply-adds", text.count),
    ("share_macs",   "share",         text.percent),
    ("params",       "params",        text.count),
    ("share_params", "share",         text.percent),
    ("ms",           "ms",            ".3f"),
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
    ("split",         "split",      _bare),
    ("images",        "images",     text.whole),
    ("top1",          "top-1",      lambda value: text.percent(value, 2)),
    ("top5",          "top-5",      lambda value: text.percent(value, 2)),
    ("balanced_top1", "balanced",   lambda value: text.percent(value, 2)),
    ("baseline_top1", "one answer", lambda value: text.percent(value, 2)),
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
    ("wall_ms",          "wall ms",   ".3f"),
    ("disturbed",        "waited",    text.percent),
    ("ratio_to_fastest", "ratio",     ".2f"),
    ("same",             "=",         _bare),  # its interval overlaps the fastest's
    ("fraction_of_peak", "of peak",   text.percent),
    ("memory_bytes",     "memory",    text.size),
    ("load_ms",          "load ms",   ".0f"),
)

CHANGES: Columns = (
    ("model",   "model",   _bare),
    ("runtime", "runtime", _bare),
    ("threads", "threads", _bare),
    ("batch",   "batch",   _bare),
    ("old_ms",  "old ms",  ".3f"),
    ("new_ms",  "new ms",  ".3f"),
    ("change",  "new/old", ".2f"),
    ("low",     "from",    ".2f"),
    ("high",    "to",      ".2f"),
    ("verdict", "verdict", _bare),
)

ZOO_FRONT: Columns = (
    ("name",    "Pareto front",   _bare),
    ("top1",    "ImageNet top-1", text.percent),
    ("ms",      "median ms",      ".3f"),
    ("low_ms",  "from",           ".3f"),
    ("high_ms", "to",             ".3f"),
    ("macs",    "multiply-adds",  text.count),
    ("params",  "params",         text.count),
)

MACHINE_FACTS: Columns = (
    ("what", "",             _bare),
    ("is",   "this machine", _bare),
)
# fmt: on


def machine_peaks(threads: Sequence[str]) -> Columns:
    """The columns of the machine's peaks: one for each number of threads, with its unit in the cell."""
    middle = [(count, counted(int(count), "thread"), _bare) for count in threads]
    return (("what", "peak", _bare), *middle, ("source", "measured with", _bare))


def said_in(rows: Sequence[Mapping[str, Any]], shown: Columns) -> list[tuple[str, str, Format]]:
    """Those of `shown` that say something in at least one of `rows`."""
    return [column for column in shown if any(row.get(column[0]) is not None for row in rows)]


def bench(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """The columns of `bench`: without those that say nothing here, and with the reason where a row has no time."""
    said = said_in(rows, BENCH)
    if any(row.get("error") for row in rows):
        said.append(("error", "why not", _bare))
    return said


def paper_table(rows: Sequence[Mapping[str, Any]]) -> Columns:
    """The columns that a network's own table needs: those in which some row has anything to say."""
    said = [key for key in TABLE if any(row.get(key) not in (None, 0, False, "none") for row in rows)]
    middle = [(key, TABLE[key], _column) for key in said]
    costs = [column for column in PROFILE_ROWS if column[0] in ("params", "macs")]
    return (("row", "row", _bare), ("kind", "operator", _bare), ("input", "input", _shape), *middle, *costs)


def _column(value: Any) -> str:
    if value in (0, False, "none", "linear"):
        return text.MISSING
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

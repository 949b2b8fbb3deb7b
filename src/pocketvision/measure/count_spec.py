"""The costs of a Spec, row by row: the rows are frozen, so what was counted once need not be built again.

A grid of widths and resolutions, or a search, meets the same row on the same input many times. Each row is still built
and counted by `count`; this only remembers and adds up. Later processes remember what `count_specs` has counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from pocketvision.measure.count import Amount, Costs, count
from pocketvision.measure.count_store import key_of, store
from pocketvision.measure.kinds import KINDS
from pocketvision.spec import Conventions, Head, Row, Spec


def count_spec(spec: Spec) -> Costs:
    """Equal to `count(build_meta(spec))`, and much faster for specs that share rows."""
    counted: list[Costs] = []
    shape: tuple[int, ...] = (spec.channels, *spec.size)
    lines: tuple[Any, ...] = (*spec.trunk, spec.head)  # frozen dataclasses, and so keys of a cache
    for row in lines[:-1]:
        counted.append(_count_row(row, spec.conventions, shape))
        shape = counted[-1].rows[0].output
    counted.append(_count_head(lines[-1], shape))
    names: list[int | str] = [*range(len(spec.trunk)), "head"]
    rows = tuple(
        replace(costs.rows[0], row=name, kind=type(line).__name__)
        for name, line, costs in zip(names, lines, counted, strict=True)
    )
    total = sum((Amount(one.params, one.macs, one.mac_bytes, one.activations) for one in counted), Amount())
    # Between two rows nothing lives but the map that goes from one to the other, which both have counted.
    peak = max(costs.peak_activation_bytes for costs in counted)
    kinds = {kind: sum((costs.kinds[kind] for costs in counted), Amount()) for kind in KINDS}
    return Costs(total.params, total.macs, total.mac_bytes, peak, rows, kinds, total.activations)


def count_specs(specs: Iterable[Spec]) -> list[Costs]:
    """`count_spec` of each; the rows that were counted for them are kept in the cache folder."""
    found = [count_spec(spec) for spec in specs]
    store().save()
    return found


@lru_cache(maxsize=1 << 14)
def _count_row(row: Any, conventions: Conventions, shape: tuple[int, ...]) -> Costs:
    key = key_of(row, conventions, shape)
    return _kept(key, lambda: count(_build_row(row, conventions, shape[0]), shape))


@lru_cache(maxsize=1 << 10)
def _build_row(row: Row, conventions: Conventions, cin: int) -> nn.Module:
    with torch.device("meta"):
        return row.build(cin, conventions)


@lru_cache(maxsize=1 << 10)
def _count_head(head: Head, shape: tuple[int, ...]) -> Costs:
    def built() -> Costs:
        with torch.device("meta"):
            return count(head.build(shape[0]), shape)

    return _kept(key_of(head, shape), built)


def _kept(key: str | None, counted: Callable[[], Costs]) -> Costs:
    """What an earlier process counted under `key`; else what is counted now, for later ones."""
    if key is None:
        return counted()
    known = store().get(key)
    if known is None:
        known = counted()
        store().put(key, known)
    return known

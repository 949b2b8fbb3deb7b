"""All families and published variants with their costs, as rows to choose from; and one network's table."""

from __future__ import annotations

import dataclasses
from typing import Any

from pocketvision.errors import InputError
from pocketvision.measure.count_spec import count_spec, count_specs
from pocketvision.models import base_name, create_spec, list_models, split_name
from pocketvision.models.published import PUBLISHED, source


def catalogue(pattern: str = "*") -> list[dict[str, Any]]:
    """`entry` of each name that matches."""
    names = list_models(pattern)
    count_specs(create_spec(name) for name in names)  # kept for the next process
    return [entry(name) for name in names]


def entry(name: str, groups: int | None = None, bypass: str | None = None) -> dict[str, Any]:
    """`{name, family, width, resolution, params, macs, published_top1, source}` of one network."""
    spec = create_spec(name, groups=groups, bypass=bypass)
    origin, resolution = spec.origin, max(spec.size)
    assert origin is not None, "a network of a table"
    base, width = base_name(origin), origin.width
    costs = count_spec(spec)
    return {
        "name": spec.name if groups or bypass else name,
        "family": origin.family,
        "width": width,
        "resolution": resolution,
        "params": costs.params,
        "macs": costs.macs,
        "published_top1": PUBLISHED.get((base, width, resolution)),
        "source": source(base, width, resolution),
    }


def is_name(text: str) -> bool:
    """Is `text` the name of one network, and no pattern?"""
    try:
        split_name(text)
    except InputError:
        return False
    return True


def paper_table(name: str, groups: int | None = None, bypass: str | None = None) -> list[dict[str, Any]]:
    """The network's rows as its paper prints them: `{row, kind, input, ...the row's own columns..., params, macs}`.

    `input` is height, width, channels. The last line is the head.
    """
    spec = create_spec(name, groups=groups, bypass=bypass)
    rows = []
    for line, costs in zip([*spec.trunk, spec.head], count_spec(spec).rows, strict=True):
        channels, height, width = costs.input
        own = {field.name: getattr(line, field.name) for field in dataclasses.fields(line)}  # type: ignore[arg-type]
        if not own.get("squeeze"):
            own.pop("gate", None)
        own.pop("classes", None)
        rows += [{"row": "head", "kind": "Dense", "out": layer.out, "act": layer.act} for layer in own.pop("dense", ())]
        size = {"input": [height, width, channels], "out": costs.output[0]}
        rows.append({"row": costs.row, "kind": costs.kind, **size, **own, "params": costs.params, "macs": costs.macs})
    return rows

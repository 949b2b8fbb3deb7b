"""All families and published variants with their costs, as rows to choose from."""

from __future__ import annotations

from typing import Any

from pocketvision.measure.count_spec import count_spec
from pocketvision.models import create_spec, list_models, split_name
from pocketvision.models.published import PUBLISHED, source


def catalogue(pattern: str = "*") -> list[dict[str, Any]]:
    """`{name, family, width, resolution, params, macs, published_top1, source}` for each name that matches."""
    rows = []
    for name in list_models(pattern):
        named, spec = split_name(name), create_spec(name)
        width, resolution = named.width or 1.0, named.resolution or max(spec.size)
        costs = count_spec(spec)
        rows.append(
            {
                "name": name,
                "family": named.family,
                "width": width,
                "resolution": resolution,
                "params": costs.params,
                "macs": costs.macs,
                "published_top1": PUBLISHED.get((named.base, width, resolution)),
                "source": source(named.base, width, resolution),
            }
        )
    return rows

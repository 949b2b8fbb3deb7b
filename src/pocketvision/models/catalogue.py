"""All families and published variants with their costs, as rows to choose from."""

from __future__ import annotations

from typing import Any

from pocketvision.measure.count_spec import count_spec
from pocketvision.models import create_spec, list_models, parse_name
from pocketvision.models.published import PUBLISHED, source


def catalogue(pattern: str = "*") -> list[dict[str, Any]]:
    """`{name, family, width, resolution, params, macs, published_top1, source}` for each name that matches."""
    rows = []
    for name in list_models(pattern):
        family, width, resolution = parse_name(name)
        width, resolution = width or 1.0, resolution or 224
        costs = count_spec(create_spec(name))
        rows.append(
            {
                "name": name,
                "family": family,
                "width": width,
                "resolution": resolution,
                "params": costs.params,
                "macs": costs.macs,
                "published_top1": PUBLISHED.get((family, width, resolution)),
                "source": source(family, width, resolution),
            }
        )
    return rows

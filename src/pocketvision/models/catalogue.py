"""All families and published variants with their costs, as rows to choose from."""

from __future__ import annotations

from typing import Any

from pocketvision.measure.count import count
from pocketvision.models import create_spec, list_models, parse_name
from pocketvision.models.published import PUBLISHED, source
from pocketvision.network import build_meta


def catalogue(pattern: str = "*") -> list[dict[str, Any]]:
    """`{name, family, width, resolution, params, macs, published_top1, source}` for each name that matches."""
    rows = []
    for name in list_models(pattern):
        family, width, resolution = parse_name(name)
        width, resolution = width or 1.0, resolution or 224
        spec = create_spec(name)
        costs = count(build_meta(spec), (1, spec.channels, *spec.size))
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

"""A profile as one HTML page: where the time goes, the rows under the roofline, the rows worth attacking."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from . import kinds, roofline, text
from . import machine as machine_words
from .page import clean, readable_date
from .svg import PALETTE, both
from .templates import environment


def render(profile: Mapping[str, Any]) -> str:
    """The page as HTML text, for what `pocketvision profile --json` prints. Nothing outside of it is referred to."""
    profile = clean(profile)
    pages = environment(shape=text.shape)
    machine = profile.get("machine") or {}
    return pages.get_template("profile.html.j2").render(
        profile=profile,
        title=roofline.title(profile),
        kinds=[
            {"name": kinds.name(kind), **amounts}
            for kind, amounts in sorted(profile["kinds"].items(), key=lambda item: -item[1]["ms"])
            if amounts["share_ms"] >= 0.0005 or amounts["share_macs"] >= 0.0005
        ],
        rows_plot=both(partial(roofline.row_times, profile)),
        roofline_plot=both(partial(roofline.roofline, profile)),
        facts=machine_words.facts(machine),
        peaks=machine_words.peaks(machine),
        counts=list(machine.get("peaks") or {}),
        created=readable_date(machine.get("time")),
        palette=PALETTE,
    )

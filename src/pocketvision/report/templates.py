"""The templates of the pages, with the filters that write numbers as `text` does."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files

from jinja2 import ChainableUndefined, Environment, FunctionLoader
from markupsafe import Markup, escape

from . import text

FILTERS = (
    "milliseconds",
    "milliseconds_interval",
    "limit",
    "percent",
    "percent_interval",
    "count",
    "counted",
    "size",
    "whole",
    "duration",
    "resolution",
    "significant",
)


def environment(**more: Callable[..., str]) -> Environment:
    """What renders the templates beside this file; `more` are filters of one page. Every string is escaped."""
    made = Environment(
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: files(__package__).joinpath(name).read_text("utf-8")),
    )
    made.filters |= {name: unbroken(getattr(text, name)) for name in FILTERS}
    made.filters |= {"plain": text.plain, "breakable": breakable, **more}
    return made


def breakable(name: str) -> Markup:
    """A network's name, in which a line that is too short for it may end before a width or a resolution."""
    return Markup(re.sub(r"_(?=\d)", "_<wbr>", str(escape(name)))).replace(" ", "\u00a0").replace(",\u00a0", ", ")


def unbroken(formatter: Callable[..., str]) -> Callable[..., str]:
    """The formatter with spaces at which a browser breaks no line (but after a comma): a number stays with its unit."""
    return lambda *values: formatter(*values).replace(" ", "\u00a0").replace(",\u00a0", ", ")

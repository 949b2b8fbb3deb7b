"""From a matplotlib figure to SVG text that lives inside a page: its fonts, its colours (light and dark), its ids.

Plots draw with the marker colours `INK`, `MUTED`, ... of this file. `svg_text` replaces each by the page's CSS variable
(with the light colour as fallback, so that the text also stands alone), sets the fonts to the page's, prefixes every id
so that several plots share one document, and removes what may differ between two runs.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# name: (light, dark). The series are told apart by every common kind of colour vision; each also has its own marker.
PALETTE = {
    "paper": ("#fdfdfb", "#14171c"),
    "ink": ("#1c2027", "#e8e8e3"),
    "muted": ("#666d78", "#9aa1ac"),
    "rule": ("#e4e4de", "#2c323b"),
    "accent": ("#245a8d", "#7fb2e5"),
    "good": ("#24734a", "#6cc494"),
    "bad": ("#b5402a", "#f08a70"),
    "series-1": ("#2b6cb0", "#74aee8"),
    "series-2": ("#cc7a14", "#eda951"),
    "series-3": ("#2a8a68", "#5fc39d"),
    "series-4": ("#a3478f", "#d98cc7"),
    "series-5": ("#b5402a", "#f08a70"),
    "series-6": ("#5f6b7a", "#a9b4c2"),
    "series-7": ("#6a5acd", "#a99cf0"),
    "series-8": ("#7a6a20", "#cdbb62"),
}
_STAND_IN = {name: f"#{0xC0DE00 + i:06x}" for i, name in enumerate(PALETTE)}
INK, MUTED, RULE, PAPER = (_STAND_IN[name] for name in ("ink", "muted", "rule", "paper"))
ACCENT, BAD = _STAND_IN["accent"], _STAND_IN["bad"]
SERIES = tuple(colour for name, colour in _STAND_IN.items() if name.startswith("series-"))
MARKERS = "osD^vPXh"
WIDE, NARROW = 736, 350  # pixels

_SHOWN = {stand_in: f"var(--{name}, {PALETTE[name][0]})" for name, stand_in in _STAND_IN.items()} | {
    INK: "currentColor"
}
_HALO = f"paint-order: stroke; stroke: var(--paper, {PALETTE['paper'][0]}); stroke-width: 4px; stroke-linejoin: round"
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
ElementTree.register_namespace("", _SVG.strip("{}"))

_STYLE: dict[Any, dict[str, Any]] = {  # matplotlib's own type for the keys is a list of every name
    # Text stays text: small, searchable, in the reader's font. The salt makes ids the same in every run.
    "svg": {"fonttype": "none", "hashsalt": "pocketvision"},
    "text": {"parse_math": False, "color": INK},  # a class may be called "$x"
    # Only measures: it comes with matplotlib, and is wider than what readers have.
    "font": {"family": "sans-serif", "sans-serif": ["DejaVu Sans"]},
    "axes": {
        "labelcolor": MUTED,
        "edgecolor": MUTED,
        "facecolor": "none",
        "linewidth": 0.8,
        "axisbelow": True,
        "grid": True,
    },
    "axes.spines": {"top": False, "right": False, "left": False},
    "grid": {"color": RULE, "linewidth": 1.0},
    "xtick": {"color": MUTED},
    "ytick": {"color": MUTED},
    "xtick.major": {"size": 4},
    "ytick.major": {"size": 0},
    "figure": {"facecolor": "none"},
    "legend": {"frameon": False, "handletextpad": 0.4, "columnspacing": 1.4, "borderpad": 0, "borderaxespad": 0},
    "lines": {"solid_capstyle": "round"},
}


@contextmanager
def style(font_px: float) -> Iterator[None]:
    """Draw in the report's style, with text of `font_px` pixels. Must cover both drawing and `svg_text`."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The measuring font lacks emoji and many scripts; the reader's browser has them.
        warnings.filterwarnings("ignore", message="(?s).*missing from font")
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a report
        for group, settings in _STYLE.items():
            matplotlib.rc(group, **settings)
        for part in ("axes", "xtick", "ytick"):
            matplotlib.rc(part, labelsize=font_px)
        matplotlib.rc("font", size=font_px)
        matplotlib.rc("legend", fontsize=font_px)
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure of width x height CSS pixels (1 point = 1 pixel at 72 dpi)."""
    drawn = Figure(figsize=(width / 72, height / 72), dpi=72)
    FigureCanvasSVG(drawn)
    return drawn


def panel(drawn: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Axes that leave the given margins, in pixels from the figure's edges."""
    width, height = drawn.get_size_inches() * 72
    return drawn.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )


def both(plot: Callable[..., str]) -> dict[str, Markup]:
    """A plot for wide and for narrow pages."""
    return {"wide": Markup(plot()), "narrow": Markup(plot(narrow=True))}


def corner(axes: Axes, text: str, above: float = 8) -> None:
    """What the vertical axis says, level and `above` pixels over it, where it is read first."""
    axes.annotate(
        text,
        (0, 1),
        (-40, above),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        va="bottom",
        color=MUTED,
    )


def svg_text(drawn: Figure, prefix: str, titles: Mapping[str, str] | None = None) -> str:
    """The figure as one `<svg>` element, ids starting with `prefix`.

    `titles` maps the gid of an artist to the text that a browser shows when the pointer rests on it. Text in groups
    whose gid starts with `halo` gets an outline in the page's colour, so that it can be read on top of points.
    Strings in the figure must be free of control characters, which XML cannot hold.
    """
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style") or (child.tag == f"{_SVG}defs" and not len(child)):
                parent.remove(child)
    for element in root.iter():
        element.tail = None
        if element.tag not in (f"{_SVG}text", f"{_SVG}title"):  # what stands between tags elsewhere is layout
            element.text = None
        element.attrib = {key.replace(_XLINK, ""): value for key, value in element.attrib.items()}
        gid = element.get("id", "")
        if gid in (titles or {}):
            title = ElementTree.Element(f"{_SVG}title")
            title.text = (titles or {})[gid]
            element.insert(0, title)
        for key in ("style", "fill", "stroke", "id", "href", "clip-path"):
            if key in element.attrib:
                element.set(key, _for_page(key, element.attrib[key], prefix))
        if gid.startswith("halo"):
            for text in element.iter(f"{_SVG}text"):
                text.set("style", f"{text.get('style', '')}; {_HALO}")
    width, height = drawn.get_size_inches() * 72
    root.attrib = {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"}
    root.attrib |= {"class": "plot", "aria-hidden": "true"}
    return ElementTree.tostring(root, encoding="unicode")


def _for_page(key: str, value: str, prefix: str) -> str:
    """One attribute's value with the page's colours and fonts, and ids of its own."""
    if key == "id":
        return f"{prefix}-{value}"
    value = re.sub(r"^#|(?<=url\()#", f"#{prefix}-", value) if key in ("href", "clip-path") else value
    value = re.sub(r"font: [^;]*?([\d.]+px)[^;]*", r"font-size: \1", value)
    value = re.sub(r"font-family: [^;]*;? ?", "", value)
    return re.sub("|".join(_SHOWN), lambda match: _SHOWN[match[0]], value)

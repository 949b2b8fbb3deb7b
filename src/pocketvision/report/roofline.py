"""The plots of a profile: each row's time by kind of operation, and each row under the machine's roofline."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from . import text
from .svg import ACCENT, BAD, INK, MUTED, NARROW, PALETTE, SERIES, WIDE, corner, figure, panel, style, svg_text

# Kinds of operation in the order of the bars, with the series that colours them; the others share the last one.
BARS = {
    "pointwise": ("1x1", "series-1"),
    "depthwise": ("depthwise", "series-2"),
    "convolution": ("full convolution", "series-3"),
    "dense": ("dense", "series-4"),
    "pooling": ("pooling", "series-8"),
    "elementwise": ("element-wise", "series-7"),
    "shuffle": ("shuffle, concat, split", "series-5"),
    "layout": ("layout", "series-6"),
    "normalisation": ("normalisation", "accent"),
    "activation": ("activation", "muted"),
}
COLOURS = {"ink": INK, "muted": MUTED, "accent": ACCENT, "bad": BAD}  # of a page, which paints them light or dark
COLOURS |= {f"series-{number}": colour for number, colour in enumerate(SERIES, 1)}
DASHES = {"L2": ":", "L3": "--", "DRAM": "-."}
NEAR = (22, 12)  # pixels across and up: names nearer than that would cover each other
PNG_SCALE = 2  # pixels of the picture for each of the page's


def row_times(profile: Mapping[str, Any], narrow: bool = False) -> str:
    """SVG: a bar for each row, parted by kind of operation, in ms."""
    rows, kinds = profile["rows"], present(profile)
    across = 2 if narrow else 5
    top = 34 + 17 * (-(-len(kinds) // across))
    with style(11 if narrow else 12):
        width = NARROW if narrow else WIDE
        drawn = figure(width, top + 17 * len(rows) + 40)
        draw_rows(panel(drawn, 52 if narrow else 150, top, 16, 40), profile, COLOURS, narrow, across)
        return svg_text(drawn, f"rows-{'n' if narrow else 'w'}")


def roofline(profile: Mapping[str, Any], narrow: bool = False) -> str:
    """SVG: rows as points, intensity against speed, below the ceilings. "" where no ceiling was measured."""
    if not profile.get("roofline") or not profile["roofline"]["fma_gflops"]:
        return ""
    with style(11 if narrow else 12):
        drawn = figure(NARROW if narrow else WIDE, 340 if narrow else 400)
        draw_roofline(panel(drawn, 46, 30, 16, 44), profile, COLOURS, narrow)
        return svg_text(drawn, f"roofline-{'n' if narrow else 'w'}")


def png(profile: Mapping[str, Any]) -> bytes:
    """Both plots, one above the other, in the light colours."""
    rows = profile["rows"]
    colours = {name: light for name, (light, _) in PALETTE.items()}
    has_roof = bool(profile.get("roofline") and profile["roofline"]["fma_gflops"])
    bars = 70 + 17 * len(rows) + 40
    height = 40 + bars + (440 if has_roof else 0)
    with _painted(colours):
        drawn = figure(WIDE, height)
        drawn.set_facecolor(colours["paper"])
        drawn.text(14 / WIDE, 1 - 22 / height, title(profile), fontsize=14, va="center")
        draw_rows(panel(drawn, 150, 106, 16, height - bars), profile, colours, False, 5)
        if has_roof:
            draw_roofline(panel(drawn, 46, 40 + bars + 26, 16, 44), profile, colours, False)
        FigureCanvasAgg(drawn)
        buffer = io.BytesIO()
        drawn.savefig(buffer, format="png", dpi=72 * PNG_SCALE, metadata={"Software": None})
    return buffer.getvalue()


def title(profile: Mapping[str, Any]) -> str:
    """`mobilenet_v2 in onnxruntime, 1 thread: 5.42 ms`."""
    threads = f"{profile['threads']} thread{'s' if profile['threads'] != 1 else ''}"
    return f"{profile['model']} in {profile['runtime']}, {threads}: {text.milliseconds(profile['ms'])}"


def present(profile: Mapping[str, Any]) -> list[str]:
    """The kinds that take any time, in the order of the bars."""
    return [kind for kind in BARS if profile["kinds"].get(kind, {}).get("ms", 0) > 0]


def draw_rows(axes: Axes, profile: Mapping[str, Any], colours: Mapping[str, str], narrow: bool, across: int) -> None:
    """Horizontal bars, the first row on top."""
    rows = profile["rows"]
    places = range(len(rows))
    starts = [0.0] * len(rows)
    for kind in present(profile):
        name, colour = BARS[kind]
        taken = [sum(item["ms"] for item in row["operations"] if item["kind"] == kind) for row in rows]
        axes.barh(places, taken, 0.72, starts, color=colours[colour], label=name)
        starts = [start + ms for start, ms in zip(starts, taken, strict=True)]
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(places, [_label(row, narrow) for row in rows])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("ms")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0 if not narrow else -0.12, 1.0),
        ncols=across,
        handlelength=0.9,
        borderpad=0.4,
    )


def draw_roofline(axes: Axes, profile: Mapping[str, Any], colours: Mapping[str, str], narrow: bool) -> None:
    """The ceilings as lines, the rows as points; on a narrow page only those worth attacking are named."""
    roof = profile["roofline"]
    rows = [row for row in profile["rows"] if row["macs"] and row["gflops"] and row["ms"] > 0]
    intensities = [row["intensity"] for row in rows] or [1.0]
    speeds = [row["gflops"] for row in rows] or [1.0]
    left, right = (
        min(intensities) / 2,
        max(max(intensities) * 2, 4 * roof["fma_gflops"] / min(roof["bandwidth"].values())),
    )
    for level, rate in roof["bandwidth"].items():
        corner_at = roof["fma_gflops"] / rate
        axes.plot(
            [left, max(left, corner_at)],
            [min(rate * left, roof["fma_gflops"]), roof["fma_gflops"]],
            DASHES[level],
            color=colours["muted"],
            linewidth=1.4,
            label=f"{level} {rate:.0f} GB/s",
        )
    axes.plot([left, right], [roof["fma_gflops"]] * 2, "-", color=colours["ink"], linewidth=1.4,
              label=f"{roof['fma_gflops']:.0f} GFLOP/s")  # fmt: skip
    worth = [item["row"] for item in profile.get("worth") or []]
    for row in rows:
        colour = colours["bad"] if row["row"] in worth else colours["accent"]
        area = 18 + 900 * row["share_ms"]
        axes.scatter([row["intensity"]], [row["gflops"]], area, color=colour, alpha=0.7, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(left, right)
    axes.set_ylim(min(speeds) / 2, 1.6 * roof["fma_gflops"])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("FLOP for each byte of input, weights and output")
    corner(axes, "GFLOP/s")
    axes.texts[-1].set_color(colours["muted"])
    named = [row for row in rows if row["row"] in worth] if narrow else rows
    for names, x, y in _together(axes, named):
        axes.annotate(names, (x, y), (6, 5), textcoords="offset points", fontsize=10, color=colours["ink"])
    axes.legend(loc="lower right", ncols=1, handlelength=2.2)


def _together(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    """Names and where they stand: one for all the points that lie too near to each other for names of their own."""
    places = {id(row): axes.transData.transform((row["intensity"], row["gflops"])) for row in rows}
    groups: list[list[Mapping[str, Any]]] = []
    for row in rows:
        x, y = places[id(row)]
        for group in groups:
            if any(
                abs(x - places[id(other)][0]) < NEAR[0] and abs(y - places[id(other)][1]) < NEAR[1] for other in group
            ):
                group.append(row)
                break
        else:
            groups.append([row])
    labelled = []
    for group in groups:
        rightmost = max(group, key=lambda row: row["intensity"])
        names = ", ".join(str(row["row"]) for row in group)
        labelled.append((names, rightmost["intensity"], rightmost["gflops"]))
    return labelled


def _label(row: Mapping[str, Any], narrow: bool) -> str:
    return str(row["row"]) if narrow else f"{row['kind']}  {row['row']}" if row["row"] != "head" else "head"


@contextmanager
def _painted(colours: Mapping[str, str]) -> Iterator[None]:
    """The report's style in real colours, for a picture that no page paints."""
    with style(12):
        matplotlib.rc("text", color=colours["ink"])
        matplotlib.rc("axes", labelcolor=colours["muted"], edgecolor=colours["muted"])
        matplotlib.rc("grid", color=colours["rule"])
        matplotlib.rc("xtick", color=colours["muted"])
        matplotlib.rc("ytick", color=colours["muted"])
        yield

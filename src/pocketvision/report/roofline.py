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
from .kinds import KINDS
from .labels import Box, best_place
from .svg import ACCENT, BAD, INK, MUTED, NARROW, PALETTE, SERIES, WIDE, corner, figure, panel, style, svg_text

COLOURS = {"ink": INK, "muted": MUTED, "accent": ACCENT, "bad": BAD}  # of a page, which paints them light or dark
COLOURS |= {f"series-{number}": colour for number, colour in enumerate(SERIES, 1)}
DASHES = {"L2": ":", "L3": "--", "DRAM": "-."}
NEAR = (22, 12)  # pixels across and up: names nearer than that would cover each other
# Where a name may stand beside its point, the nearest first.
PLACES = tuple(
    (side, dx, dy)
    for far in (1, 1.7, 2.6)
    for side, dx, dy in (
        ("left", 6 * far, 9 * far), ("left", 9 * far, 0.0), ("left", 6 * far, -9 * far), ("center", 0.0, 12 * far),
        ("center", 0.0, -12 * far), ("right", -6 * far, 9 * far), ("right", -9 * far, 0.0),
        ("right", -6 * far, -9 * far),
    )
)  # fmt: skip
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
    """SVG: rows as points, intensity against speed, below the ceilings. "" where a ceiling is missing."""
    if not has_ceilings(profile):
        return ""
    with style(11 if narrow else 12):
        drawn = figure(NARROW if narrow else WIDE, 340 if narrow else 400)
        draw_roofline(panel(drawn, 46, 30, 16, 44), profile, COLOURS, narrow)
        return svg_text(drawn, f"roofline-{'n' if narrow else 'w'}")


def png(profile: Mapping[str, Any]) -> bytes:
    """Both plots, one above the other, in the light colours."""
    rows = profile["rows"]
    colours = {name: light for name, (light, _) in PALETTE.items()}
    has_roof = has_ceilings(profile)
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


def has_ceilings(profile: Mapping[str, Any]) -> bool:
    """Were arithmetic and at least one memory measured? Without both there is no roofline."""
    roof = profile.get("roofline") or {}
    return bool(roof.get("fma_gflops") and roof.get("bandwidth"))


def title(profile: Mapping[str, Any]) -> str:
    """`mobilenet_v2 in onnxruntime, 1 thread: 5.42 ms`."""
    threads = text.counted(profile["threads"], "thread")
    return f"{profile['model']} in {profile['runtime']}, {threads}: {text.milliseconds(profile['ms'])}"


def present(profile: Mapping[str, Any]) -> list[str]:
    """The kinds that take any time, in the order of the bars."""
    return [kind for kind in KINDS if profile["kinds"].get(kind, {}).get("ms", 0) > 0]


def draw_rows(axes: Axes, profile: Mapping[str, Any], colours: Mapping[str, str], narrow: bool, across: int) -> None:
    """Horizontal bars, the first row on top."""
    rows = profile["rows"]
    places = range(len(rows))
    starts = [0.0] * len(rows)
    for kind in present(profile):
        taken = [sum(item["ms"] for item in row["operations"] if item["kind"] == kind) for row in rows]
        axes.barh(places, taken, 0.72, starts, color=colours[KINDS[kind].colour], label=KINDS[kind].short)
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
    points, taken = [(row["intensity"], row["gflops"]) for row in rows], list[Box]()
    for names, x, y in _together(axes, named):
        place = best_place(axes, x, y, names, points, taken, PLACES)
        taken.append(place.box)
        axes.annotate(names, (x, y), (place.dx, place.dy), textcoords="offset points", ha=place.side, va="center",
                      fontsize=10, color=colours["ink"])  # fmt: skip
    axes.legend(loc="lower right", ncols=1, handlelength=2.2)


def _together(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    """Names and where they stand: one for all the points that lie too near to each other for names of their own."""
    places = {id(row): axes.transData.transform((row["intensity"], row["gflops"])) for row in rows}

    def near(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        return all(abs(places[id(one)][axis] - places[id(other)][axis]) < NEAR[axis] for axis in (0, 1))

    groups: list[list[Mapping[str, Any]]] = []
    for row in rows:
        touched = [group for group in groups if any(near(row, other) for other in group)]
        groups = [group for group in groups if group not in touched]
        groups.append([*(other for group in touched for other in group), row])
    labelled = []
    for group in groups:
        rightmost = max(group, key=lambda row: row["intensity"])
        labelled.append((_names([row["row"] for row in group]), rightmost["intensity"], rightmost["gflops"]))
    return labelled


def _names(rows: Sequence[int | str]) -> str:
    """`2, 8–12, head`."""
    numbers = sorted(row for row in rows if isinstance(row, int))
    said = []
    while numbers:
        first = last = numbers.pop(0)
        while numbers and numbers[0] == last + 1:
            last = numbers.pop(0)
        said += [str(first)] if first == last else [str(first), str(last)] if last == first + 1 else [f"{first}–{last}"]
    return ", ".join([*said, *(str(row) for row in rows if not isinstance(row, int))])


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

"""The plots of the zoo: accuracy over latency with the front, and latency over multiply-adds with the wrong pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from . import text
from .labels import CLEAR, Box, best_place
from .scatter import latency_axis, legend_columns
from .svg import BAD, INK, MARKERS, MUTED, NARROW, PAPER, SERIES, WIDE, corner, figure, panel, style, svg_text

Row = Mapping[str, Any]
# Above the front there is nothing: its names stand to the left and above, as near as they can.
FRONT_PLACES = tuple(
    (side, dx, dy)
    for dy in (0.0, 8.0, -8.0, 14.0, 20.0)
    for side, dx in (("right", -9.0), ("right", -3.0), ("center", 0.0))
    if dy > 10 or dx < -5
)
BADGES = tuple(
    ("center", dx, dy)
    for dy in (11.0, 0.0, 19.0, 27.0, -11.0, -19.0)
    for dx in (0.0, -11.0, 11.0, -20.0, 20.0)
    if dx or dy
)
KINDS = {"published accuracy": MUTED, "estimated": PAPER}


def accuracy_over_latency(rows: Sequence[Row], narrow: bool = False) -> str:
    """SVG: published accuracies filled, estimated ones hollow, the front a line with names. "" for no accuracy."""
    rows = [row for row in rows if row["top1"] is not None]
    if not rows:
        return ""
    keys = [
        Line2D([], [], marker="o", linestyle="", color=MUTED, markerfacecolor=face, label=name)
        for name, face in KINDS.items()
    ] + [Line2D([], [], color=INK, linewidth=1.3, label="Pareto front")]
    with style(11 if narrow else 12):
        drawn, axes, looks = _begun(rows, keys, 360 if narrow else 480, narrow)
        points = [(row["ms"], 100 * row["top1"]) for row in rows]
        latency_axis(axes, [x for x, _ in points], narrow)
        _room_for_names(axes, 0.0 if narrow else 0.1)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("latency, ms for one image" + (" (log scale)" if axes.get_xscale() == "log" else ""))
        corner(axes, "ImageNet top-1, %")
        titles = {}
        for i, (row, point) in enumerate(zip(rows, points, strict=True)):
            said = row["top1_is"] == "published"
            _point(axes, *point, looks[row["line"]], f"point{i}", filled=said, narrow=narrow)
            titles[f"point{i}"] = (
                f"{row['name']}: {text.milliseconds(row['ms'])}, {text.percent(row['top1'])}"
                f"{'' if said else ' (estimated)'}"
            )
        front = sorted((row for row in rows if row["pareto"]), key=lambda row: row["ms"])
        if front:
            steps = [(row["ms"], 100 * row["top1"]) for row in front]
            axes.step(*zip(*steps, strict=True), where="post", color=INK, linewidth=1.3, zorder=2)
            _name_front(axes, front, points)
        return svg_text(drawn, f"zoo-accuracy-{'n' if narrow else 'w'}", titles)


def latency_over_macs(rows: Sequence[Row], pairs: Sequence[Mapping[str, Any]], narrow: bool = False) -> str:
    """SVG: all networks, both axes logarithmic; each of `pairs` a line from the one with fewer multiply-adds, downwards
    to the faster one that has more. "" for no rows."""
    if not rows:
        return ""
    keys = [Line2D([], [], color=BAD, linewidth=1.6, label="more multiply-adds, less time")] if pairs else []
    with style(11 if narrow else 12):
        drawn, axes, looks = _begun(rows, keys, 340 if narrow else 460, narrow)
        axes.set_yscale("log")
        axes.set_xscale("log")
        _log_ticks(axes, [row["macs"] for row in rows], "x", (1,) if narrow else (1, 3))
        _log_ticks(axes, [row["ms"] for row in rows], "y", (1, 2, 5))
        axes.set_xlabel("multiply-adds (log scale)")
        corner(axes, "latency, ms for one image (log scale)")
        titles = {}
        for i, row in enumerate(rows):
            _point(axes, row["macs"], row["ms"], looks[row["line"]], f"point{i}", True, narrow)
            titles[f"point{i}"] = (
                f"{row['name']}: {text.count(row['macs'])} multiply-adds, {text.milliseconds(row['ms'])}"
            )
        _draw_pairs(axes, pairs, [(row["macs"], row["ms"]) for row in rows])
        return svg_text(drawn, f"zoo-macs-{'n' if narrow else 'w'}", titles)


def _begun(
    rows: Sequence[Row], keys: list[Line2D], height: float, narrow: bool
) -> tuple[Figure, Axes, dict[str, tuple[str, str]]]:
    """A figure with its legend above the axes, and the colour and marker of each line of networks."""
    names = list(dict.fromkeys(row["line"] for row in sorted(rows, key=lambda row: row["line"])))
    looks = {
        name: (SERIES[i % len(SERIES)], MARKERS[(i + i // len(SERIES)) % len(MARKERS)]) for i, name in enumerate(names)
    }
    width, font = (NARROW, 11) if narrow else (WIDE, 12)
    lines = [
        Line2D([], [], marker=marker, linestyle="", color=colour, label=name)
        for name, (colour, marker) in looks.items()
    ]
    rows_above, top = [], 0.0
    for handles in (lines, keys):
        columns = legend_columns([str(handle.get_label()) for handle in handles], width, font) if handles else 1
        rows_above.append((handles, columns, top))
        top += 18 * math.ceil(len(handles) / columns) + (6 if handles else 0)
    drawn = figure(width, height + top)
    axes = panel(drawn, 40, 34 + top, 14, 46)
    for handles, columns, place in rows_above:
        if handles:
            anchor = (0, 1 - (2 + place) / (height + top))
            drawn.legend(handles=handles, loc="upper left", ncols=columns, bbox_to_anchor=anchor)
    return drawn, axes, looks


def _point(axes: Axes, x: float, y: float, look: tuple[str, str], gid: str, filled: bool, narrow: bool) -> None:
    colour, marker = look
    axes.plot(
        [x],
        [y],
        marker,
        color=colour,
        markersize=5 if narrow else 6.5,
        markerfacecolor=colour if filled else PAPER,
        markeredgewidth=1.1,
        gid=gid,
        zorder=3 if filled else 2.5,
    )


def _room_for_names(axes: Axes, share: float) -> None:
    """The fastest networks' names stand to the left of them."""
    left, right = axes.get_xlim()
    if axes.get_xscale() == "log" and share:
        axes.set_xlim(left / (right / left) ** share, right)


def _name_front(axes: Axes, front: Sequence[Row], points: Sequence[tuple[float, float]]) -> None:
    """Names of the front's networks, as many as can be read; both ends of it come first."""
    taken: list[Box] = []
    inner = sorted(front[1:-1], key=lambda row: -row["top1"])
    for row in [front[-1], *front[:-1][:1], *inner]:
        x, y = row["ms"], 100 * row["top1"]
        place = best_place(axes, x, y, row["name"], points, taken, FRONT_PLACES)
        if place.trouble >= CLEAR:
            continue
        taken.append(place.box)
        axes.annotate(
            row["name"],
            (x, y),
            (place.dx, place.dy),
            textcoords="offset points",
            ha=place.side,
            va="center",
            color=INK,
            gid=f"halo-{len(taken)}",
            zorder=5,
        )


def _draw_pairs(axes: Axes, pairs: Sequence[Mapping[str, Any]], points: Sequence[tuple[float, float]]) -> None:
    """Lines with the numbers that the pairs have in the table, at the end that lies high, where there is room."""
    taken: list[Box] = []
    for number, pair in enumerate(pairs, 1):
        ends = [(pair[side]["macs"], pair[side]["ms"]) for side in ("fewer", "more")]
        axes.plot(*zip(*ends, strict=True), color=BAD, linewidth=1.6, zorder=4)
        place = best_place(axes, *ends[0], str(number), points, taken, BADGES)
        taken.append(place.box)
        axes.annotate(
            str(number),
            ends[0],
            (place.dx, place.dy),
            textcoords="offset points",
            ha="center",
            va="center",
            color=BAD,
            fontweight="bold",
            gid=f"halo-{number}",
            zorder=5,
        )


def _log_ticks(axes: Axes, values: Sequence[float], axis: str, steps: Sequence[int]) -> None:
    """Ticks at `steps` times the powers of ten, and some room around the values."""
    low, high = min(values), max(values)
    room = max((high / low) ** 0.05, 1.1)
    low, high = low / room, high * room
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    (axes.set_xlim if axis == "x" else axes.set_ylim)(low, high)
    ticks: list[float] = []
    for finer in (steps, (1, 3), (1, 2, 5)):  # a part of the zoo may lie between two ticks
        if len(ticks) < 2:
            ticks = [tick for decade in decades for step in finer if low <= (tick := step * 10.0**decade) <= high]
    if len(ticks) < 2:
        ticks = [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    made = axes.xaxis if axis == "x" else axes.yaxis
    made.set_major_locator(FixedLocator(ticks))
    made.set_minor_locator(NullLocator())
    made.set_minor_formatter(NullFormatter())
    made.set_major_formatter(FuncFormatter(lambda value, _: _short(value) if axis == "x" else f"{value:.6g}"))


def _short(value: float) -> str:
    """`30 M`, `1 G`: ticks are round numbers."""
    unit, name = (1e9, " G") if value >= 1e9 else (1e6, " M") if value >= 1e6 else (1.0, "")
    return f"{value / unit:g}{name}"

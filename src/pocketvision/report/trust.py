"""How far probabilities can be trusted: the calibration curve, and accuracy over coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .svg import ACCENT, BAD, INK, MUTED, NARROW, PAPER, RULE, SERIES, WIDE, corner, figure, panel, style, svg_text
from .text import number, pair, percent

FEWEST = 0.05  # of the images: with less coverage the curve only shows chance


def trust(calibration: Mapping[str, Any], narrow: bool = False) -> str:
    """The two plots of a report's `calibration`, side by side or one above the other; "" without anything to draw."""
    curves = {name: _bins(calibration.get(name)) for name in ("before", "after")}
    coverage = [point for item in calibration.get("coverage") or [] if (point := pair(item)) and point[0] >= FEWEST]
    if not any(curves.values()) or not coverage:
        return ""
    with style(11 if narrow else 12):
        if narrow:
            drawn = figure(NARROW, 600)
            panels = [panel(drawn, 40, 26, 14, 330), panel(drawn, 40, 342, 14, 46)]
        else:
            drawn = figure(WIDE, 350)
            panels = [panel(drawn, 40, 28, 396, 48), panel(drawn, 424, 28, 14, 48)]
        _calibration(panels[0], curves, calibration)
        _coverage(panels[1], coverage, calibration)
        for axes in panels:
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.grid(axis="x", visible=False)
        return svg_text(drawn, f"trust-{'n' if narrow else 'w'}")


def _bins(side: object) -> list[tuple[float, float, float, float]]:
    """(confidence, accuracy, low, high) of each bin that has them, in per cent."""
    found = []
    for item in (side.get("bins") or []) if isinstance(side, Mapping) else []:
        x, y, ends = number(item.get("confidence")), number(item.get("accuracy")), pair(item.get("interval"))
        if x is not None and y is not None:
            low, high = ends or (y, y)
            found.append((100 * x, 100 * y, 100 * low, 100 * high))
    return found


def _calibration(axes: Axes, curves: Mapping[str, Sequence[tuple[float, ...]]], said: Mapping[str, Any]) -> None:
    axes.plot([0, 100], [0, 100], ":", color=MUTED, linewidth=1.2)
    changed = said.get("temperature") != 1
    looks = {"before": (SERIES[5], PAPER, "--"), "after": (ACCENT, ACCENT, "-")}
    for name, points in curves.items():
        if not points or (name == "before" and not changed):
            continue
        colour, face, dash = looks[name]
        x, y, low, high = zip(*points, strict=True)
        if name == "after":
            axes.vlines(x, low, high, color=colour, linewidth=1.2, alpha=0.35)
        label = name if changed else None
        axes.plot(x, y, dash + "o", color=colour, markerfacecolor=face, markersize=5, linewidth=1.6, label=label)
    least = min(value for points in curves.values() for point in points for value in point[:2])
    bottom = max(0.0, 10 * ((least - 4) // 10))
    axes.set(xlim=(bottom, 101), ylim=(bottom, 101), xlabel="probability of the answer, %")
    corner(axes, "share that was right, %")
    if changed:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.02), handlelength=2.2, labelcolor=MUTED)


def _coverage(axes: Axes, points: Sequence[tuple[float, float]], said: Mapping[str, Any]) -> None:
    x, y = ([100 * point[i] for point in points] for i in (0, 1))
    axes.plot(x, y, "-", color=ACCENT, linewidth=1.8)
    axes.set_xlim(0, 101)
    low = min(y)
    axes.set_ylim(max(0.0, low - 0.18 * (100 - low) - 1), 100 + 0.04 * (100 - low) + 0.2)
    axes.set_xlabel("share of the images that it answers, %")
    corner(axes, "right among those, %")
    kept, images = said.get("kept"), number(said.get("images"))
    if isinstance(kept, Mapping) and images and (left := number(kept.get("images"))):
        share, right = left / images, (number(kept.get("right")) or 0) / left
        axes.axvspan(100 * share, 101, facecolor=RULE, alpha=0.5, zorder=0.5)
        axes.plot([100 * share], [100 * right], "o", color=BAD, markersize=7.5, zorder=4)
        inside = share < 0.5  # the words stand on the side that has more room, below the curve
        axes.annotate(
            f"below {percent(said.get('threshold'))}: unsure",
            (100 * share, 0),
            (8 if inside else -8, 10),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="left" if inside else "right",
            va="bottom",
            color=INK,
            gid="halo-threshold",
            zorder=5,
        )

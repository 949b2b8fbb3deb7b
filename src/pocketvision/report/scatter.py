"""Accuracy over latency: every candidate, the budget, the choice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from . import words
from .labels import best_place
from .svg import BAD, INK, MARKERS, MUTED, NARROW, PAPER, RULE, SERIES, WIDE, corner, figure, panel, style, svg_text
from .text import MISSING, limit, milliseconds, number, percent, shorten

LOG_FROM = 6  # largest over smallest latency from which a linear axis hides the fast ones


def accuracy_over_latency(
    candidates: Sequence[Mapping[str, Any]], budget_ms: float | None, narrow: bool = False
) -> str:
    """Every candidate with a score and a latency: timed ones filled, predicted ones hollow, the chosen one ringed.

    Returns "" when no candidate has both.
    """
    points = [(x, y, item) for item in candidates for x, y in drawable(item)]
    if not points:
        return ""
    families = sorted({str(item.get("family") or MISSING) for _, _, item in points})
    looks = {name: (SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(families)}
    width, font = (NARROW, 11) if narrow else (WIDE, 12)
    kinds = {"timed": MUTED, "not timed": PAPER}
    columns = legend_columns([shorten(name, 24) for name in families] + (list(kinds) if narrow else []), width, font)
    rows = math.ceil((len(families) + (len(kinds) if narrow else 0)) / columns)
    height = (300 if narrow else 400) + 18 * rows
    with style(font):
        drawn = figure(width, height)
        axes = panel(drawn, 40, 52 + 18 * rows, 14, 46)
        titles = {}
        for i, (x, y, item) in enumerate(points):
            colour, marker = looks[str(item.get("family") or MISSING)]
            timed = bool(item.get("timed"))
            axes.plot(
                [x],
                [100 * y],
                marker,
                color=colour,
                markersize=6.5 if narrow else 7.5,
                gid=f"point{i}",
                markerfacecolor=colour if timed else PAPER,
                markeredgewidth=1.3,
                zorder=3 if timed else 2.5,
            )
            titles[f"point{i}"] = (
                f"{words.network_name(item)}: {'' if timed else 'about '}{milliseconds(x)}"
                f"{'' if timed else ' (not timed)'}, {percent(y)}"
            )
        latency_axis(axes, [x for x, _, _ in points] + ([budget_ms] if budget_ms else []), narrow)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("latency, ms for one image" + (" (log scale)" if axes.get_xscale() == "log" else ""))
        corner(axes, "ImageNet top-1, %, published or estimated", above=24)
        if budget_ms:
            _budget_line(axes, budget_ms)
        for x, y, item in points:
            if item.get("chosen"):
                size = 13 if narrow else 15
                axes.plot(
                    [x],
                    [100 * y],
                    "o",
                    markersize=size,
                    markerfacecolor="none",
                    markeredgecolor=INK,
                    markeredgewidth=1.6,
                    zorder=4,
                )
                _label_chosen(axes, x, 100 * y, words.network_name(item), [(a, 100 * b) for a, b, _ in points])
        keys = [
            axes.plot([], [], marker, color=colour, label=shorten(name, 24))[0]
            for name, (colour, marker) in looks.items()
        ]
        times = [
            axes.plot([], [], "o", color=MUTED, markerfacecolor=face, label=name)[0] for name, face in kinds.items()
        ]
        drawn.legend(
            handles=keys + times if narrow else keys,
            loc="upper left",
            ncols=columns,
            bbox_to_anchor=(0, 1 - 2 / height),
        )
        if not narrow:
            drawn.legend(
                handles=times,
                loc="upper right",
                ncols=2,
                bbox_to_anchor=(1 - 14 / width, 1 - (15 + 18 * rows) / height),
            )
        return svg_text(drawn, f"latency-{'n' if narrow else 'w'}", titles)


def latency(candidate: Mapping[str, Any]) -> float | None:
    """Milliseconds: measured where the candidate was timed, else predicted, else None."""
    measured = number(candidate.get("latency_ms"))
    return measured if measured is not None else number(candidate.get("predicted_ms"))


def drawable(candidate: Mapping[str, Any]) -> list[tuple[float, float]]:
    """The candidate's place in the plot, (ms, score), as a list of one; empty when it lacks either."""
    ms, score = latency(candidate), number(candidate.get("score"))
    return [] if ms is None or ms <= 0 or score is None else [(ms, score)]


def legend_columns(names: Sequence[str], width: float, font: float) -> int:
    """The most columns in which a legend of `names` fits into `width` pixels; matplotlib fills it column by column."""
    for columns in range(len(names), 1, -1):
        rows, longer = divmod(len(names), columns)
        ends = [rows * i + min(i, longer) for i in range(columns + 1)]
        longest = [max(map(len, names[i:j])) for i, j in zip(ends, ends[1:], strict=False)]
        if sum(font * (0.62 * letters + 4.0) for letters in longest) < width:
            return columns
    return 1


def latency_axis(axes: Axes, values: Sequence[float], narrow: bool) -> None:
    """Ticks for milliseconds that include all `values`, on a log scale where a linear one hides the fast ones."""
    low, high = min(values), max(values)
    if high / low < LOG_FROM:
        room = 0.06 * (high - low) or 0.1 * high
        axes.set_xlim(max(0.0, low - room), high + room)
        axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 8, steps=[1, 2, 5, 10]))
    else:
        room = (high / low) ** 0.05
        axes.set_xscale("log")
        axes.set_xlim(low / room, high * room)
        decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if math.log10(high / low) < (2 if narrow else 3) else (1,)
        axes.xaxis.set_major_locator(FixedLocator([step * 10.0**decade for decade in decades for step in steps]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def _budget_line(axes: Axes, budget_ms: float) -> None:
    right = axes.get_xlim()[1]
    axes.axvspan(budget_ms, right, facecolor=RULE, alpha=0.5, zorder=0.5)
    axes.axvline(budget_ms, color=BAD, linewidth=1.4, zorder=2)
    at = _position(axes, budget_ms, axes.get_ylim()[0])[0]
    axes.text(
        min(at, 0.999),
        1.012,
        f"budget {limit(budget_ms)}",
        transform=axes.transAxes,
        color=BAD,
        va="bottom",
        ha="right" if at > 0.85 else "center",
        gid="halo-budget",
    )


def _position(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Data coordinates as fractions of the axes."""
    at = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
    return float(at[0]), float(at[1])


def _label_chosen(axes: Axes, x: float, y: float, name: str, points: Iterable[tuple[float, float]]) -> None:
    """Write `name` beside the point, where it covers the fewest other points and stays inside the axes."""
    place = best_place(axes, x, y, name, points)
    axes.annotate(
        name,
        (x, y),
        (place.dx, place.dy),
        textcoords="offset points",
        ha=place.side,
        va="center",
        color=INK,
        fontweight="bold",
        gid="halo-chosen",
        zorder=5,
    )

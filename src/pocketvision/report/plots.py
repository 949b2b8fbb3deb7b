"""The plots of a report, one function each, drawn by matplotlib and returned as SVG text for a page (see `svg.py`).

Each plot exists wide (a screen, paper) and narrow (a phone): text shrunk to a phone's width cannot be read, so the
page carries both and shows one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

from .scatter import accuracy_over_latency, drawable, latency
from .svg import ACCENT, BAD, INK, MUTED, NARROW, PAPER, RULE, SERIES, WIDE, corner, figure, panel, style, svg_text
from .text import number, percent, shorten

__all__ = ["accuracy_over_latency", "confusion_matrix", "drawable", "latency", "learning_curves"]

CONFUSION_CLASSES = 30  # a larger matrix cannot be read


def learning_curves(epochs: Sequence[Mapping[str, Any]], narrow: bool = False) -> str:
    """Loss (training and validation) and validation accuracy, or mAP, over epochs. "" when there is nothing to draw."""
    score = "val_map" if any("val_map" in epoch for epoch in epochs) else "val_top1"
    lines = {
        key: [
            (x, y)
            for i, epoch in enumerate(epochs, 1)
            if (y := number(epoch.get(key))) is not None and (x := number(epoch.get("epoch", i))) is not None
        ]
        for key in ("train_loss", "val_loss", score)
    }
    if not any(lines.values()):
        return ""
    with style(11 if narrow else 12):
        if narrow:
            drawn = figure(NARROW, 416)
            panels = [panel(drawn, 40, 26, 14, 240), panel(drawn, 40, 236, 14, 44)]
        else:
            drawn = figure(WIDE, 270)
            panels = [panel(drawn, 40, 28, 396, 44), panel(drawn, 424, 28, 14, 44)]
        loss, accuracy = panels
        for key, colour, dash, label in (
            ("train_loss", SERIES[5], "--", "training"),
            ("val_loss", ACCENT, "-", "validation"),
        ):
            _curve(loss, lines[key], colour, dash, label)
        if loss.lines:
            loss.set_ylim(0, 1.06 * max(y for key in ("train_loss", "val_loss") for _, y in lines[key]) or 1)
            loss.legend(loc="lower right", bbox_to_anchor=(1, 1.03), ncols=2, handlelength=1.8)
        corner(loss, "loss")
        _curve(accuracy, [(x, 100 * y) for x, y in lines[score]], ACCENT, "-", "validation")
        corner(accuracy, "validation mAP, %" if score == "val_map" else "validation accuracy, %")
        if lines[score]:
            best_x, best_y = max(lines[score], key=lambda point: (point[1], -point[0]))
            accuracy.plot([best_x], [100 * best_y], "o", color=ACCENT, markersize=7)
            accuracy.annotate(
                f"best {percent(best_y)} in epoch {best_x:g}",
                (1, 1),
                (0, 8),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="right",
                va="bottom",
                color=MUTED,
            )
        for axes in panels:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axes.grid(axis="x", visible=False)
            if axes is panels[-1] or not narrow:
                axes.set_xlabel("epoch")
        return svg_text(drawn, f"curves-{'n' if narrow else 'w'}")


def confusion_matrix(classes: Sequence[str], matrix: Sequence[Sequence[int]], narrow: bool = False) -> str:
    """Rows are the truth, columns the answer; the number of images in each cell, and each row's share of right answers.

    Cells are shaded by their share of the row, with a square root, so that a few mistakes among many are seen.
    Returns "" for more than `CONFUSION_CLASSES` classes or an empty matrix.
    """
    n = len(matrix)
    if not 0 < n <= CONFUSION_CLASSES or not any(map(any, matrix)):
        return ""
    font = 11 if narrow else 12
    names = [shorten(str(name), 9 if narrow else 18) for name in classes] + [""] * (n - len(classes))
    text = font * 0.64  # mean width of a letter; also leaves room for the reader's font
    longest = max(map(len, names))
    left, right = 18 + text * longest, 46.0
    upright = longest * text <= _cell(n, left + right, narrow)
    if not upright:  # the last name leans out to the right
        right = max(right, 0.75 * text * longest)
    cell = _cell(n, left + right, narrow)
    top = 30 + (font + 4 if upright else 8 + max(font, 0.75 * text * longest))
    cell_font = min(font + (4 if n <= 3 else 0), cell * 0.42)
    with style(min(font, cell * 0.9)):
        drawn = figure(left + right + cell * n, top + cell * n + 4)
        axes = panel(drawn, left, top, right, 4)
        axes.set(xlim=(0, n), ylim=(n, 0), xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.xaxis.set_major_locator(NullLocator())
        axes.add_patch(Rectangle((0, 0), n, n, facecolor=RULE, alpha=0.45))
        for i, row in enumerate(matrix):
            total = sum(row)
            for j, images in enumerate(row):
                if not images:
                    continue
                share = images / total
                shade = math.sqrt(share) if i != j else share
                colour = ACCENT if i == j else BAD
                axes.add_patch(Rectangle((j, i), 1, 1, facecolor=colour, alpha=0.12 + 0.88 * shade))
                if len(str(images)) * cell_font * 0.62 < cell:
                    number_colour = PAPER if shade > 0.55 else INK
                    centred: Any = {"ha": "center", "va": "center_baseline"}
                    axes.text(j + 0.5, i + 0.5, str(images), fontsize=cell_font, color=number_colour, **centred)
            axes.text(-8 / cell, i + 0.5, names[i], ha="right", va="center_baseline")
            axes.text(
                n + 6 / cell, i + 0.5, percent(row[i] / total if total else None, 0), va="center_baseline", color=MUTED
            )
            axes.text(
                i + 0.5,
                -6 / cell,
                names[i],
                ha="center" if upright else "left",
                va="bottom",
                rotation=0 if upright else 45,
                rotation_mode="anchor",
            )
        axes.hlines(range(n + 1), 0, n, color=PAPER, linewidth=2)
        axes.vlines(range(n + 1), 0, n, color=PAPER, linewidth=2)
        if left > 78:  # room for the words in the corner
            axes.text(-8 / cell, -6 / cell, "answered →\nis ↓", ha="right", va="bottom", color=MUTED)
        else:
            axes.text(0, -(top - 14) / cell, "is ↓\u00a0\u00a0answered →", color=MUTED)
        axes.text(n + 6 / cell, -6 / cell, "right", color=MUTED)
        return svg_text(drawn, f"confusion-{'n' if narrow else 'w'}")


def _cell(classes: int, margins: float, narrow: bool) -> float:
    """The side of a cell in pixels, never too small for a number: a phone shows a large matrix in a window."""
    largest, smallest = 96 if classes <= 3 else 54, 18
    return max(smallest, min(largest, ((NARROW if narrow else WIDE) - margins - 4) / classes))


def _curve(axes: Axes, points: Sequence[tuple[float, float]], colour: str, dash: str, label: str) -> None:
    if points:
        x, y = zip(*points, strict=True)
        axes.plot(
            x, y, dash, color=colour, linewidth=1.8, label=label, marker="o" if len(x) < 3 else None, markersize=5
        )

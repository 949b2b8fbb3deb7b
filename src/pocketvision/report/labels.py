"""Where in a plot a point's name can be read: beside the point, over no other point or name, inside the axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

Box = tuple[float, float, float, float]  # left, bottom, right, top, px
CLEAR = 1.0  # the trouble from which a name covers something or leaves the axes
PLACES = tuple(
    (side, dx, dy)
    for dy in (18.0, -18.0, 30.0, -30.0, 46.0, -46.0, 0.0)
    for side, dx in (("right", -12.0), ("left", 12.0), ("center", 0.0))
    if dy or dx
)


@dataclass(frozen=True)
class Place:
    """The text's side that stands `dx`, `dy` pixels from the point, the box it fills, and how bad that is."""

    side: str
    dx: float
    dy: float
    box: Box
    trouble: float


def best_place(
    axes: Axes,
    x: float,
    y: float,
    name: str,
    points: Iterable[tuple[float, float]],
    taken: Sequence[Box] = (),
    places: Iterable[tuple[str, float, float]] = PLACES,
) -> Place:
    """Where `name` covers the fewest of `points` (data coordinates) and of the boxes `taken`, the nearer the better."""
    axes.get_xlim(), axes.get_ylim()  # asking makes matplotlib fit the axes to what was drawn, on which all depends
    inside = axes.get_window_extent()
    at = axes.transData.transform((x, y))
    others = [axes.transData.transform(point) for point in points]
    font = float(axes.xaxis.label.get_fontsize())
    width, height = 0.6 * font * len(name), 1.3 * font

    def placed(side: str, dx: float, dy: float) -> Place:
        left = at[0] + dx - {"left": 0.0, "center": width / 2, "right": width}[side]
        bottom = at[1] + dy - height / 2
        box = (left, bottom, left + width, bottom + height)
        trouble = float(sum(left - 5 < a < box[2] + 5 and bottom - 5 < b < box[3] + 5 for a, b in others))
        trouble += sum(overlap(box, other) for other in taken)
        trouble += max(0.0, inside.x0 - left) + max(0.0, box[2] - inside.x1)
        trouble += max(0.0, inside.y0 - bottom) + max(0.0, box[3] - inside.y1)
        return Place(side, dx, dy, box, trouble + (abs(dx) + abs(dy)) / 200)

    return min((placed(*place) for place in places), key=lambda place: place.trouble)


def overlap(one: Box, other: Box) -> bool:
    """Do the two share any area?"""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

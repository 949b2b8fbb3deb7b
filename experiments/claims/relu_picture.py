"""relu.png: the spiral as it comes back from 2 to 30 dimensions, as in MobileNetV2's figure 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from place import HERE

PATH = HERE / "relu.png"
INK, FAINT = "#333333", "#d5d5d5"
MAPS = {"error": "pseudo-inverse of T", "linear": "best affine map"}


def draw(
    found: dict[int, dict[str, NDArray[np.float64]]], spiral: NDArray[np.float64], rows: list[dict[str, Any]]
) -> None:
    """Write the picture: the input on the left, then a column for each number of dimensions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, len(found) + 1, figsize=(12, 4.5), facecolor="white")
    colours = np.linspace(0, 1, spiral.shape[1])
    for line, (kind, title) in enumerate(MAPS.items()):
        _panel(axes[line, 0], spiral, spiral, colours)
        for axis, (n, maps), row in zip(axes[line, 1:], found.items(), rows, strict=True):
            _panel(axis, maps[kind], spiral, colours)
            axis.set_xlabel(f"error {row[kind]['median']:.2f}", color=INK, fontsize=9, labelpad=3)
            if line == 0:
                axis.set_title(f"n = {n}", color=INK, fontsize=11)
        axes[line, 0].set_xlabel("")
        axes[line, 0].set_ylabel(f"back by the\n{title}", color=INK, fontsize=10)
    axes[0, 0].set_title("input", color=INK, fontsize=11)
    figure.tight_layout(w_pad=0.4, h_pad=0.9)
    figure.savefig(PATH, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _panel(axis: Any, points: NDArray[np.float64], spiral: NDArray[np.float64], colours: NDArray[np.float64]) -> None:
    """Points coloured along the spiral, over its faint original."""
    axis.plot(*spiral, color=FAINT, linewidth=1, zorder=1)
    axis.scatter(*points, c=colours, cmap="viridis", s=5, linewidths=0, zorder=2)
    axis.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), xticks=[], yticks=[], aspect="equal")
    for side in axis.spines.values():
        side.set_color(FAINT)

"""What kinds of operation are called, in tables, in plots and in sentences. [core]"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`name` in a table, `short` in a plot's legend, `said` in a sentence, `colour` of its bars."""

    name: str
    short: str
    said: str
    colour: str


# In the order of a plot's bars.
# fmt: off
KINDS = {
    "pointwise": Kind("1 × 1 convolution", "1x1", "1x1 convolution", "series-1"),
    "depthwise": Kind("depthwise convolution", "depthwise", "depthwise", "series-2"),
    "convolution": Kind("full convolution", "full convolution", "convolution", "series-3"),
    "dense": Kind("dense layer", "dense", "dense layer", "series-4"),
    "pooling": Kind("pooling", "pooling", "pooling", "series-8"),
    "elementwise": Kind("additions, gates, the rest", "element-wise", "element-wise arithmetic", "series-7"),
    "shuffle":
        Kind("shuffle, concatenation, split", "shuffle, concat, split", "shuffling, splitting and joining", "series-5"),
    "layout": Kind("changes of memory layout", "layout", "layout changes", "series-6"),
    "normalisation": Kind("batch normalisation", "normalisation", "batch normalisation", "accent"),
    "activation": Kind("activation", "activation", "activation", "muted"),
}
# fmt: on


def name(kind: str) -> str:
    """What a table calls `kind`; one that is not known as it is."""
    return KINDS[kind].name if kind in KINDS else kind

"""What an operation of a network is, as counted and as timed. [core]"""

from __future__ import annotations

KINDS = ("pointwise", "depthwise", "convolution", "dense", "normalisation", "activation", "pooling", "elementwise")

# What an engine does besides the kinds of layer: channel shuffles, concatenations, splits and the arithmetic of their
# shapes; and changes of the layout in memory that only the engine's own kernels ask for.
TIME_KINDS = (*KINDS, "shuffle", "layout")
BEFORE, AFTER = "input", "output"  # what is done to the pixels before the first row, and to the logits

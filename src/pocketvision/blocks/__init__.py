"""One kind of block per file: the module, and its row of a paper's table. ROWS lists the rows that files may name."""

from pocketvision.blocks.conv import Conv, ConvBN
from pocketvision.blocks.inverted_residual import Bneck, InvertedResidual
from pocketvision.blocks.separable import Separable, SeparableConv
from pocketvision.blocks.squeeze_excite import SqueezeExcite

ROWS: dict[str, type] = {
    "Conv": Conv,
    "Separable": Separable,
    "Bneck": Bneck,
}

__all__ = ["ROWS", "Bneck", "Conv", "ConvBN", "InvertedResidual", "Separable", "SeparableConv", "SqueezeExcite"]

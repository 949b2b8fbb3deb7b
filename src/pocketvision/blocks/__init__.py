"""One kind of block per file: the module, and its row of a paper's table. ROWS lists the rows that files may name."""

from pocketvision.blocks.asymmetric import Asymmetric, AsymmetricConv
from pocketvision.blocks.bottleneck import Bottleneck, HourglassBlock
from pocketvision.blocks.conv import Conv, ConvBN, Valid
from pocketvision.blocks.fire import Fire, FireModule
from pocketvision.blocks.flattened import Flattened, FlattenedConv
from pocketvision.blocks.inverted_residual import Bneck, InvertedResidual
from pocketvision.blocks.plain import ConvBias, Plain
from pocketvision.blocks.pool import MaxPool
from pocketvision.blocks.separable import Separable, SeparableConv
from pocketvision.blocks.shuffle_v1 import ShuffleUnit, ShuffleV1
from pocketvision.blocks.shuffle_v2 import ShuffleV2, SplitUnit
from pocketvision.blocks.squeeze_excite import Excite, SqueezeExcite
from pocketvision.blocks.xception import BareSeparable, Sepconv, Xblock, XceptionBlock

ROWS: dict[str, type] = {
    "Conv": Conv,
    "Valid": Valid,
    "Separable": Separable,
    "Bneck": Bneck,
    "Plain": Plain,
    "MaxPool": MaxPool,
    "Fire": Fire,
    "ShuffleV1": ShuffleV1,
    "ShuffleV2": ShuffleV2,
    "Xblock": Xblock,
    "Sepconv": Sepconv,
    "Bottleneck": Bottleneck,
    "Excite": Excite,
    "Flattened": Flattened,
    "Asymmetric": Asymmetric,
}

__all__ = [
    "ROWS",
    "Asymmetric",
    "AsymmetricConv",
    "BareSeparable",
    "Bneck",
    "Bottleneck",
    "Conv",
    "ConvBN",
    "ConvBias",
    "Excite",
    "Fire",
    "FireModule",
    "Flattened",
    "FlattenedConv",
    "HourglassBlock",
    "InvertedResidual",
    "MaxPool",
    "Plain",
    "Sepconv",
    "Separable",
    "SeparableConv",
    "ShuffleUnit",
    "ShuffleV1",
    "ShuffleV2",
    "SplitUnit",
    "SqueezeExcite",
    "Valid",
    "Xblock",
    "XceptionBlock",
]

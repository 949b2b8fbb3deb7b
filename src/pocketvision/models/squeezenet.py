"""SqueezeNet (arXiv 1602.07360, table 1) and the authors' 1.1: fire modules, late down-sampling, no dense layer."""

from __future__ import annotations

from pocketvision.blocks import Fire, MaxPool, Plain
from pocketvision.blocks.change import changed
from pocketvision.blocks.fire import Bypass
from pocketvision.heads import ConvClassifier
from pocketvision.spec import Conventions, Rows

# fmt: off
V1_0 = (
    #       k  out  act     s  pad  ceil    input 224
    Plain(  7,  96, "relu", 2, 0),
    MaxPool(3,  96,         2, 0, True),  # 109
    #    s1x1 e1x1 e3x3
    Fire(  16,  64,  64),                 # 54
    Fire(  16,  64,  64),
    Fire(  32, 128, 128),
    MaxPool(3, 256,         2, 0, True),
    Fire(  32, 128, 128),                 # 27
    Fire(  48, 192, 192),
    Fire(  48, 192, 192),
    Fire(  64, 256, 256),
    MaxPool(3, 512,         2, 0, True),
    Fire(  64, 256, 256),                 # 13
)

V1_1 = (
    #       k  out  act     s  pad  ceil    input 224
    Plain(  3,  64, "relu", 2, 0),
    MaxPool(3,  64,         2, 0, True),  # 111
    #    s1x1 e1x1 e3x3
    Fire(  16,  64,  64),                 # 55
    Fire(  16,  64,  64),
    MaxPool(3, 128,         2, 0, True),
    Fire(  32, 128, 128),                 # 27
    Fire(  32, 128, 128),
    MaxPool(3, 256,         2, 0, True),
    Fire(  48, 192, 192),                 # 13
    Fire(  48, 192, 192),
    Fire(  64, 256, 256),
    Fire(  64, 256, 256),
)
# fmt: on

HEAD = ConvClassifier(1000, dropout=0.5)
CONVENTIONS = Conventions(init="glorot")  # the authors' prototxt: "xavier"


def with_bypass(rows: Rows, bypass: Bypass) -> Rows:
    """The table with shortcuts around its fire modules (section 6, figure 2)."""
    return changed(rows, Fire, bypass=bypass)

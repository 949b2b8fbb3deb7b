"""Xception (arXiv 1610.02357, figure 5): Inception taken to its extreme, depthwise separable with shortcuts."""

from __future__ import annotations

from pocketvision.blocks import Sepconv, Valid, Xblock
from pocketvision.heads import Classifier
from pocketvision.spec import Conventions

# fmt: off
TRUNK = (
    #       k   out  act     s     input 299
    Valid(  3,   32, "relu", 2),
    Valid(  3,   64, "relu", 1),  # 149
    Xblock((128, 128),      "relu", 2, activate=False),  # 147
    Xblock((256, 256),      "relu", 2),  # 74
    Xblock((728, 728),      "relu", 2),  # 37
    Xblock((728, 728, 728), "relu", 1),  # 19, the middle flow
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 728, 728), "relu", 1),
    Xblock((728, 1024),     "relu", 2),
    Sepconv(3, 1536, "relu", 1),  # 10
    Sepconv(3, 2048, "relu", 1),
)
# fmt: on

HEAD = Classifier(1000, dropout=0.5)  # section 4.2.1
CONVENTIONS = Conventions(bn_eps=1e-3, bn_momentum=0.01, init="glorot")  # Keras, which the author trained with
RESOLUTION = 299

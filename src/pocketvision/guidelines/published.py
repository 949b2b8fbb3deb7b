"""Tables 1 to 4 of ShuffleNetV2 (arXiv 1807.11164, section 2), as printed there.

GPU: one GeForce GTX 1080 Ti, cuDNN 7.0, batches per second. ARM: a Snapdragon 810, one thread, images per second; the
columns that tables 2 to 4 head "CPU" are taken for the same. Each number was compared with two transcriptions of the
paper's text, one of them of its HTML edition; the PDF itself was not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "The paper's columns: ShuffleNetV2 (arXiv 1807.11164), tables 1 to 4; ARM: a Snapdragon 810, one thread, images "
    "per second; GPU: a GeForce GTX 1080 Ti, batches per second, at more channels in tables 1 to 3 than the ARM."
)


@dataclass(frozen=True)
class Speeds:
    """One line of a table: speeds in its three columns on either device, and the channels of the GPU's first column."""

    arm: tuple[float, float, float]
    gpu: tuple[float, float, float]
    gpu_widths: str


# fmt: off
TABLE_1 = {
    # c1:c2          ARM x1    x2    x4     GPU x1   x2   x4
    "1:1":  Speeds((76.2, 21.7, 5.3), (1480, 723, 232), "128, 128"),
    "1:2":  Speeds((72.9, 20.5, 5.1), (1296, 586, 206), "90, 180"),
    "1:6":  Speeds((69.1, 17.9, 4.6), ( 876, 489, 189), "52, 312"),
    "1:12": Speeds((57.6, 15.1, 4.4), ( 748, 392, 163), "36, 432"),
}

TABLE_2 = {
    # groups
    "1": Speeds((40.0, 10.2, 2.3), (2451, 1289, 437), "128"),
    "2": Speeds((35.0,  9.5, 2.2), (1725,  873, 341), "180"),
    "4": Speeds((32.9,  8.7, 2.1), (1026,  644, 338), "256"),
    "8": Speeds((27.8,  7.5, 1.8), ( 634,  445, 230), "360"),
}

TABLE_3 = {
    #                                  ARM c=64   128  256   GPU c=128   256  512
    "1 fragment":             Speeds((40.2, 10.1, 2.3), (2446, 1274, 434), "128"),
    "2 fragments, series":    Speeds((38.6, 10.1, 2.2), (1790,  909, 336), ""),
    "4 fragments, series":    Speeds((38.4, 10.1, 2.3), ( 752,  745, 349), ""),
    "2 fragments, parallel":  Speeds((33.4,  9.1, 2.2), (1537,  803, 320), ""),
    "4 fragments, parallel":  Speeds((35.0,  8.4, 2.1), ( 691,  572, 292), ""),
}

TABLE_4 = {
    #                               ARM c=32    64   128   GPU c=32    64   128
    "ReLU and shortcut":   Speeds((56.7, 16.9, 5.0), (2427, 2066, 1436), "32"),
    "ReLU":                Speeds((61.9, 18.8, 5.2), (2647, 2256, 1735), "32"),
    "shortcut":            Speeds((57.3, 18.2, 5.1), (2672, 2121, 1458), "32"),
    "neither":             Speeds((66.3, 20.2, 5.4), (2842, 2376, 1782), "32"),
}
# fmt: on

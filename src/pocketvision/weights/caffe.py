"""Networks of Caffe whose blobs were written to a NumPy archive (.npz), each under the name of its layer.

`LAYER.weight` is O x I x H x W and `LAYER.bias` is O, both float32: Caffe's layout is PyTorch's. What such networks
were trained on is another matter: BGR images of 0 to 255, less (104, 117, 123), not scaled.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pocketvision.data.imagefile import one_line
from pocketvision.errors import InputError


def read_npz(path: str | Path) -> dict[str, Tensor]:
    """The arrays of the archive as float32 tensors, by their names there; nothing in it is executed.

    InputError when it is missing, cut off, altered (its checksums tell), or holds anything but finite float32 numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no weights file at {path}: check the path")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is cut off or not a .npz archive: download or write it again")
    tensors: dict[str, Tensor] = {}
    try:
        # Opened here: where the archive is damaged, NumPy would leave the file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for name in archive.files:
                array = archive[name]
                if array.dtype != np.float32 or not np.isfinite(array).all():
                    raise ValueError(f"{name} is {array.dtype}, or not finite: only finite float32 numbers are read")
                tensors[name] = torch.from_numpy(np.ascontiguousarray(array))
    except Exception as error:  # zipfile and NumPy raise nearly anything on damaged bytes
        # NumPy's own sentence on pickled arrays explains how to load them nevertheless.
        reason = "pickled content, which could run code when read" if "pickle" in str(error) else one_line(error)
        raise InputError(f"cannot read weights from {path} ({reason}): download or write it again") from None
    if not tensors:
        raise InputError(f"{path} is an archive without arrays: give the .npz file of a network's weights")
    return tensors

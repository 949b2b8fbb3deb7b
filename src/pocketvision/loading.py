"""A network from any file that pocketvision wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pocketvision.errors import InputError

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes.predictor import Exported


def load(path: str | Path, threads: int = 0) -> Network | Exported:
    """`model.safetensors` (or the folder that holds it) -> Network; `model.onnx` -> Exported, without torch.

    Both predict. `threads` is for exported files (0: all cores). InputError says what is wrong with a file.
    """
    path = Path(path)
    if path.is_dir():
        inside = [path / name for name in ("model.safetensors", "model.onnx") if (path / name).is_file()]
        if not inside:
            raise InputError(f"the folder {path} holds neither model.safetensors nor model.onnx")
        path = inside[0]
    if not path.is_file():
        raise InputError(f"there is no file {path}: give a model file, or a name that `pocketvision models` lists")
    if path.suffix == ".onnx":
        from pocketvision.runtimes import onnxruntime
        from pocketvision.runtimes.predictor import Exported

        return Exported(onnxruntime.load(path, threads))
    from pocketvision.weights import file  # needs torch

    return file.load(path)

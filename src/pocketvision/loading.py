"""A network from any file that pocketvision wrote, and from folders of other libraries that say what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketvision.errors import InputError

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes.predictor import Exported

FOREIGN = (".pth", ".pt", ".bin", ".ckpt", ".tflite", ".npz", ".net")


def load(path: str | Path, threads: int = 0) -> Network | Exported:
    """`model.safetensors` (or the folder that holds it) -> Network; `model.onnx` -> Exported, without torch.

    Both predict. A folder may also be one of transformers or timm (`config.json` beside the weights), and
    "hf:owner/name" is downloaded from the Hugging Face Hub. `threads` is for exported files (0: all cores). InputError
    says what is wrong with a file.
    """
    if str(path).startswith("hf:"):
        from pocketvision.weights import hub

        folder = hub.download(str(path))
        return _foreign(folder, str(path)) if _is_foreign(folder) else load(folder)
    path = require_model_file(path)
    if path.is_dir():
        if _is_foreign(path):
            return _foreign(path)
        inside = [path / name for name in ("model.safetensors", "model.onnx") if (path / name).is_file()]
        if not inside:
            raise InputError(f"the folder {path} holds neither model.safetensors nor model.onnx")
        path = inside[0]
    if path.suffix == ".onnx":
        from pocketvision.runtimes import onnxruntime
        from pocketvision.runtimes.predictor import Exported

        return Exported(onnxruntime.load(path, threads))
    from pocketvision.weights import file  # needs torch

    if path.suffix in FOREIGN:
        raise InputError(f"{path} holds weights of another library: give a network's name and --pretrained {path}")
    return file.load(path)


def require_model_file(path: str | Path) -> Path:
    """InputError when nothing is there; nothing is opened."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}: give a model file, or a name that 'pocketvision models' lists")
    return path


def _is_foreign(folder: Path) -> bool:
    """A folder with a config.json whose weights are no model file of ours."""
    if not (folder / "config.json").is_file():
        return False
    from pocketvision.weights.folder import is_foreign  # needs torch

    return is_foreign(folder)


def _foreign(folder: Path, name: str = "") -> Network:
    """The network of another library as it is there: its own classes, resolution, strides, preprocessing."""
    from pocketvision.models import create_spec
    from pocketvision.network import build
    from pocketvision.weights import load_weights, open_weights

    found = open_weights(name or folder)
    option: dict[str, Any] = {"groups" if isinstance(found.option, int) else "bypass": found.option}
    spec = found.adapted(
        create_spec(found.family, found.width, found.resolution, 1000, found.channels, small_stem=False, **option)
    )
    bias = found.named_for(spec).get("head.classifier.bias")
    if bias is None:
        raise InputError(f"{found.source} has no classifier: give it to create_model with class names to train for")
    net = build(replace(spec, head=replace(spec.head, classes=len(bias))))  # type: ignore[type-var]
    load_weights(net, found)
    net.task = found.task
    return net.eval()

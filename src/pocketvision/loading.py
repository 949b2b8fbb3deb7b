"""A network from any file that pocketvision wrote, and from folders of other libraries that say what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pocketvision.arguments import as_annotated
from pocketvision.errors import InputError
from pocketvision.files import require_path_like
from pocketvision.runtimes import SUFFIXES
from pocketvision.runtimes.cores import check_threads
from pocketvision.runtimes.packed import is_packed
from pocketvision.validation import require_threads

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes.predictor import Exported

FOREIGN = (".pth", ".pt", ".bin", ".ckpt", ".tflite", ".npz", ".net")
OURS = ".safetensors"
NAMES = [f"model{suffix}" for suffix in (OURS, *SUFFIXES)]  # of the file in a folder


def is_file(model: str) -> bool:
    """Does `model` mean a file or a folder, not a network's name? It need not exist; a folder counts with a network."""
    path, suffix = Path(model), Path(model).suffix.lower()
    named = "/" in model or suffix in (OURS, *FOREIGN, *SUFFIXES)
    return named or path.is_file() or _inside(path) is not None or (path / "config.json").is_file()


@as_annotated("path")
def load(path: str | Path, threads: int = 0) -> Network | Exported:
    """`model.safetensors` (or the folder that holds it) -> Network; any exported file (`model.onnx`) -> Exported.

    Both predict; an exported file needs its own runtime (`runtimes.SUFFIXES`) and no torch. A folder may also be one of
    transformers or timm (`config.json` beside the weights), and "hf:owner/name" is downloaded from the Hugging Face
    Hub. `threads` is for exported files (0: all cores). InputError says what is wrong with a file.
    """
    require_path_like(path, "model file")
    if threads:
        require_threads(threads)
        check_threads(threads)
    if str(path).startswith("hf:"):
        from pocketvision.weights import hub

        folder = hub.download(str(path))
        return _foreign(folder, str(path)) if _is_foreign(folder) else load(folder)
    path = require_model_file(path)
    if path.is_dir():
        if _is_foreign(path):
            return _foreign(path)
        inside = _inside(path)
        if inside is None:
            raise InputError(f"the folder {path} holds no network: none of {', '.join(NAMES)}")
        path = inside
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and not (suffix in FOREIGN and not is_packed(path)):
        from pocketvision.runtimes import get_runtime
        from pocketvision.runtimes.predictor import Exported

        return Exported(get_runtime(SUFFIXES[suffix]).load(path, threads))
    from pocketvision.weights import file  # needs torch

    if suffix in FOREIGN:
        raise InputError(f"{path} holds weights of another library: give a network's name and --pretrained {path}")
    return file.load(path)


def require_model_file(path: str | Path) -> Path:
    """InputError when nothing is there; nothing is opened."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}: give a model file, or a name that 'pocketvision models' lists")
    return path


def _inside(folder: Path) -> Path | None:
    """The network that a folder holds, if any; our own file before exported ones."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _is_foreign(folder: Path) -> bool:
    """A folder with a config.json whose weights are no model file of ours."""
    if not (folder / "config.json").is_file():
        return False
    from pocketvision.weights.folder import is_foreign  # needs torch

    return is_foreign(folder)


def _foreign(folder: Path, name: str = "") -> Network:
    """The network of another library as it is there: its own classes, resolution, strides, preprocessing."""
    from pocketvision.models import spec_of
    from pocketvision.network import build
    from pocketvision.weights import load_weights, open_weights

    found = open_weights(name or folder)
    spec = spec_of(found, None, 1000, found.channels)
    bias = found.named_for(spec).get("head.classifier.bias")
    if bias is None:
        raise InputError(f"{found.source} has no classifier: give it to create_model with class names to train for")
    net = build(replace(spec, head=replace(spec.head, classes=len(bias))))  # type: ignore[type-var]
    load_weights(net, found)
    net.task = found.task
    return net.eval()

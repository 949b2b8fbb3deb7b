"""The model file: one safetensors file whose metadata holds, as JSON, all that rebuilds the network.

In version 1 the tensors have our names; in version 2 the description says whose modules are called how, so that another
library can open the same file. Reading never executes anything. A file that was cut, altered or written by another
version gives one sentence.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save as serialise
from torch import Tensor, uint8

from pocketvision.calibration import Calibration
from pocketvision.data.dataset import TASKS
from pocketvision.data.image import Preprocessing
from pocketvision.errors import InputError
from pocketvision.files import require_path_like, write_atomic
from pocketvision.finite import require_finite
from pocketvision.network import Network, build_meta, require_network
from pocketvision.spec import Spec
from pocketvision.units import counted
from pocketvision.weights.convert import by_our_names

FORMAT_VERSION, RENAMED_VERSION = 1, 2
KEY = "pocketvision"
MODEL_FILE = "model.safetensors"


def save(net: Network, path: str | Path, modules: dict[str, str] | None = None) -> Path:
    """Write `net` with classes, preprocessing, metrics, provenance, atomically: the old file or the new one stands.

    `modules` are names of another library for ours, module by module: the file then has its tensors under those.
    InputError for weights that are not finite.
    """
    require_network(net, "save")
    require_path_like(path, "file to write")
    path = Path(path)
    require_finite(net.state_dict(), f"the network {net.spec.name}")
    # Named by us, contiguous, and on the CPU: the bytes must not depend on memory format or device.
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    if modules:
        ours = {our: their for their, our in modules.items()}
        parts = {name: name.rpartition(".") for name in tensors}
        tensors = {f"{ours[module]}.{field}": tensors[name] for name, (module, _, field) in parts.items()}
    description = {
        "format_version": RENAMED_VERSION if modules else FORMAT_VERSION,
        **({"modules": modules} if modules else {}),
        "spec": json.loads(net.spec.to_json()),
        "task": net.task,
        "classes": list(net.classes),
        "preprocessing": net.preprocessing.to_json(),
        "calibration": net.calibration.to_json(),
        "metrics": net.metrics,
        "provenance": net.provenance,
        "sha256": _hash(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _in_order(serialise(tensors, metadata={"format": "pt", KEY: json.dumps(description)})))
    return path


def _in_order(data: bytes) -> bytes:
    """The same safetensors file with its metadata sorted: the library writes them in an order that chance decides."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def load(path: str | Path) -> Network:
    """Rebuild what `save` wrote; `path` is the file or its folder. InputError says what is wrong with it."""
    path = Path(path)
    if path.is_dir():
        path = path / MODEL_FILE
    tensors, description = _read(path)
    version = description.get("format_version")
    if version not in (FORMAT_VERSION, RENAMED_VERSION):
        raise InputError(f"{path} has format version {version}; this pocketvision reads 1 and 2: update it")
    if description.get("sha256") != _hash(tensors):
        raise InputError(f"{path} was altered after it was written (its tensors do not match their hash)")
    task = description.get("task")
    if task not in TASKS:
        raise InputError(f"{path} is for the task {task!r}, which this release cannot run: update pocketvision")
    try:
        spec = Spec.from_json(json.dumps(description["spec"]))
        net = build_meta(spec)
        classes = tuple(str(name) for name in description["classes"])
        net.preprocessing = Preprocessing.from_json(description["preprocessing"])
        net.calibration = Calibration.from_json(description.get("calibration"))
        net.metrics, net.provenance = dict(description["metrics"]), dict(description["provenance"])
        if version == RENAMED_VERSION:
            tensors = by_our_names(tensors, iter(dict(description["modules"]).items()), spec)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} has a damaged description ({error}); write it again or take another copy") from None
    if len(classes) != spec.head.classes:
        raise InputError(
            f"{path} names {counted(len(classes), 'class', 'classes')}, but its network has "
            f"{counted(spec.head.classes, 'output')}"
        )
    require_finite(tensors, str(path))
    net.classes, net.task = classes, task
    fill(net, tensors, str(path))
    return net.eval()


def is_model_file(path: Path) -> bool:
    """Does `path` hold, or contain, one of our model files? Damaged ones count: `load` says what is wrong with them."""
    path = path / MODEL_FILE if path.is_dir() else path
    if not path.is_file():
        return False
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return KEY in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError, ValueError):
        return False


CONVERTED = "it was quantised or converted; give the original"


def fill(net: Network, tensors: dict[str, Tensor], source: str) -> None:
    """Put `tensors` into `net`, strictly: every tensor used, every tensor filled, shapes equal, or InputError."""
    wanted = net.state_dict()
    missing = [name for name in wanted if name not in tensors]
    extra = [name for name in tensors if name not in wanted]
    wrong = [name for name in wanted if name in tensors and tensors[name].shape != wanted[name].shape]
    if wrong:
        name = wrong[0]
        shapes = f"{tuple(tensors[name].shape)}, {net.spec.name} needs {tuple(wanted[name].shape)}"
        raise InputError(
            f"{source} does not fit {net.spec.name}: {name} is {shapes} ({counted(len(wrong), 'such tensor')})"
        )
    if missing or extra:
        parts = [f"- {name}" for name in missing[:3]] + [f"+ {name}" for name in extra[:3]]
        counts = f"{counted(len(missing), 'tensor')} missing (-), {len(extra)} not used (+)"
        raise InputError(f"{source} does not fit {net.spec.name}: {counts}: {', '.join(parts)}")
    for name, own in wanted.items():
        if own.is_floating_point() and not tensors[name].is_floating_point():
            raise InputError(
                f"{source}: {name} holds {tensors[name].dtype} where weights are real numbers: {CONVERTED}"
            )
        if name.endswith("running_var") and bool((tensors[name] < 0).any()):
            raise InputError(f"{source}: {name} has variances below zero: the file is damaged")
    if next(net.parameters()).is_meta:
        net.to_empty(device="cpu")
    net.load_state_dict(tensors, strict=True)  # copies: the caller's tensors stay the caller's


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"there is no model file at {path}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        # Only now, and not where JSON follows eight bytes: the length that a safetensors file begins with may look like
        # the first bytes of a pickle.
        with path.open("rb") as file:
            start = file.read(9)
        if start[8:] != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80"):
            raise InputError(
                f"{path} holds pickled content, which could run code when read: of weights of another library, give a "
                f"network's name and --pretrained {path}"
            ) from None
        if start[8:] != b"{" and path.suffix.lower() != ".safetensors":
            raise InputError(
                f"{path} is no file of a network that can be opened: give a model.safetensors, or an exported file "
                "such as model.onnx"
            ) from None
        raise InputError(f"{path} is cut off or damaged ({error}); copy or write it again") from None
    if KEY not in metadata:
        raise InputError(
            f"{path} is a safetensors file, but not one of pocketvision's: of another library, give its "
            "network's name and --pretrained"
        )
    try:
        description = json.loads(metadata[KEY])
    except ValueError as error:
        raise InputError(f"{path} has a damaged description ({error}); write it again or take another copy") from None
    if not isinstance(description, dict):
        raise InputError(f"{path} has a damaged description; write it again or take another copy")
    return tensors, description


def _hash(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(uint8).numpy().tobytes())  # NumPy has not all of the types
    return digest.hexdigest()

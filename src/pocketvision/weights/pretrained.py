"""A network as a folder for the Hugging Face Hub: the model file, config.json, preprocessor_config.json.

One name, model.safetensors, serves two libraries. Where transformers can express the network (MobileNetV1 and V2), the
file has its tensors by the names of transformers, which then opens the folder, and our description says how to name
them back; else by our names. In both cases pocketvision rebuilds the network exactly.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pocketvision.errors import InputError
from pocketvision.files import writable_folder, write_atomic
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.weights import card, hub, transformers_config
from pocketvision.weights.file import MODEL_FILE, save
from pocketvision.weights.folder import CONFIG, OURS, PREPROCESSOR
from pocketvision.weights.image_processor import RESAMPLE


def save_pretrained(net: Network, folder: str | Path) -> Path:
    """Write `net` to `folder`, which is made; each file atomically, the model file last. InputError: no place for it.

    `transformers.AutoModelForImageClassification.from_pretrained(folder)` gives the same logits where the network is a
    MobileNetV1 or V2 that transformers can express. Where it is one that it cannot, a line says why.
    """
    folder = writable_folder(folder)
    config, modules, kind = _contents(net)
    write_atomic(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    write_atomic(folder / PREPROCESSOR, json.dumps(_preprocessor(net, kind), indent=2) + "\n")
    save(net, folder / MODEL_FILE, modules)
    return folder


def push_to_hub(net: Network, repo_id: str, token: str | None = None, private: bool = False) -> str:
    """`save_pretrained` and a model card, uploaded as `owner/name`; the address. InputError when that fails."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = save_pretrained(net, Path(temporary) / "model")
        opened = json.loads((folder / CONFIG).read_text())["model_type"] != OURS
        write_atomic(folder / "README.md", card.text(net, repo_id, opened))
        return hub.upload(folder, repo_id, token, private)


def _contents(net: Network) -> tuple[dict[str, Any], dict[str, str] | None, str | None]:
    """The config, the names of another library for our modules, and its name for what prepares images."""
    kind = transformers_config.family(net.spec)
    if kind:
        try:
            config = transformers_config.config(net.spec, kind)
        except InputError as error:
            say(f"{net.spec.name} is saved for pocketvision alone: {error}")
        else:
            problem = "multi_label_classification" if net.task == "multilabel" else "single_label_classification"
            return (
                {**config, **_classes(net), "problem_type": problem},
                transformers_config.modules(net.spec, kind),
                transformers_config.PROCESSORS[kind],
            )
    own = {
        "architectures": [type(net).__name__],
        "model_type": OURS,
        "library_name": OURS,
        "name": net.spec.name,
        "task": net.task,
        "num_channels": net.spec.channels,
        "image_size": transformers_config.image_size(net.spec),
    }
    return {**own, **_classes(net)}, None, None


def _classes(net: Network) -> dict[str, Any]:
    numbered = {str(index): name for index, name in enumerate(net.classes)}
    return {"id2label": numbered, "label2id": {name: int(index) for index, name in numbered.items()}}


def _preprocessor(net: Network, kind: str | None) -> dict[str, Any]:
    """What transformers would do to an image: the same, but for cropping first, and for boxes that are not square."""
    p = net.preprocessing
    covers = p.fit == "cover" and p.resize[0] == p.resize[1]
    if kind and not covers and p.fit != "stretch":
        say("transformers stretches images where pocketvision keeps their aspect: prepare them as pocketvision does")
    return {
        **({"image_processor_type": kind} if kind else {}),
        "do_resize": True,
        "size": {"shortest_edge": p.resize[0]} if covers else {"height": p.resize[0], "width": p.resize[1]},
        "resample": next(number for number, name in RESAMPLE.items() if name == p.interpolation),
        "do_center_crop": True,
        "crop_size": {"height": p.resolution[0], "width": p.resolution[1]},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(p.mean),
        "image_std": list(p.std),
    }

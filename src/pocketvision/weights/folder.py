"""Folders as the Hugging Face Hub has them: a config.json that says what the weights beside it are of.

Those of transformers have a "model_type" and name the classes "id2label"; those of timm have an "architecture", and
in "pretrained_cfg" (older ones beside it) the statistics, crop and labels. Pickles are read as plain tensors alone.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pocketvision.errors import InputError
from pocketvision.weights import libraries, reading, timm_config, transformers
from pocketvision.weights.file import is_model_file
from pocketvision.weights.readings import resolve
from pocketvision.weights.recognised import Recognised, Tensors

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
OURS = "pocketvision"  # the "model_type" of our own folders that no other library opens


def is_foreign(folder: Path) -> bool:
    """Does `folder` say, in the way of transformers or timm, what its weights are of? Our model files come first."""
    return (folder / CONFIG).is_file() and not is_model_file(folder)


def is_part(path: Path) -> bool:
    """Are these the weights of such a folder? What they are of then stands beside them."""
    return path.name in WEIGHTS and path.is_file() and is_foreign(path.parent)


def read(folder: Path) -> reading.Read:
    """The weights in a folder of transformers or timm. InputError for any other, and for damaged ones."""
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None or not is_foreign(folder):
        raise InputError(
            f"the folder {folder} holds no weights that are read: neither a model file of ours, nor {CONFIG} with "
            f"{' or '.join(WEIGHTS)}"
        )
    config = _json(folder / CONFIG)
    if "model_type" not in config and "architecture" not in config:
        raise InputError(f"{folder / CONFIG} names neither a model_type (transformers) nor an architecture (timm)")
    if config.get("model_type") == OURS:
        raise InputError(f"{weights} is damaged, or not the model file that {CONFIG} beside it was written with")
    tensors = reading.read(weights).tensors
    if "model_type" in config:
        preprocessor = _json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else None
        return transformers.read(tensors, config, str(folder), preprocessor)
    found = libraries.recognise(tensors)
    if found is None:
        raise InputError(f"{folder} holds timm's {config['architecture']}: none of the networks that pocketvision has")
    found = resolve(found, str(folder), "", str(config["architecture"]))
    return of_timm(tensors, found, config, str(folder / CONFIG))


def of_timm(tensors: Tensors, found: Recognised, config: dict[str, Any], source: str) -> reading.Read:
    """What timm's configuration says beside the tensors: statistics, crop, resolution, labels.

    InputError, with `source`, for what is not had here, and for values of no use.
    """
    try:
        return _described(tensors, found, config)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source} is damaged ({error!r}): take another copy") from None


def _described(tensors: Tensors, found: Recognised, config: dict[str, Any]) -> reading.Read:
    said = {**config, **config.get("pretrained_cfg", {})}
    looks = timm_config.read_looks(said, found.channels(tensors))
    labels = said.get("label_names", said.get("labels"))
    classes = transformers.class_names(labels, int(said["num_classes"])) if labels and "num_classes" in said else ()
    descriptions = said.get("label_descriptions") or {}
    classes = tuple(str(descriptions.get(name, name)) for name in classes)
    return reading.Read(tensors, replace(found, looks=looks, resolution=looks.side), classes, looks)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}; check the folder") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): take another copy") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged (no JSON object): take another copy")
    return content

"""Does any network of another library pass for one of ours that answers otherwise? Every name that the libraries list.

    python experiments/parity/lookalikes.py [--only 'timm/*res*']

Each network of torchvision, timm, transformers and pytorchcv is built without weights. Where its tensors' names are
recognised, it is built again with random weights and given to `pv.create_model` in three ways: as a bare state dict,
as one that says what it is called (as a checkpoint or a folder does), and as the living module. What is not refused
must answer as the network itself does, at 224 px: where sides are even, kinds of padding differ.

Writes lookalikes.json and lookalikes.md beside this file, unless `--only` leaves networks out. A run that was stopped
goes on where it was. Ends with status 1 when a network is taken for another.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from progress import Progress, provenance
from references import Reference, answer, build_reference, difference, missing_library, of_pytorchcv
from torch import nn

import pocketvision as pv
from pocketvision.files import write_atomic
from pocketvision.measure.machine import machine
from pocketvision.weights import open_weights
from pocketvision.weights.libraries import recognise

HERE = Path(__file__).parent
SIDE = 224
LIMIT = 2e-5
SEED = 0
AGREES = "agrees"


def names() -> Iterator[tuple[str, str, Callable[[], nn.Module]]]:
    """(library, name, how to build it) of every image classifier that the installed libraries list."""
    if not missing_library(Reference("torchvision", "", "", nn.Identity)):
        import torchvision

        for name in torchvision.models.list_models(module=torchvision.models):
            yield "torchvision", name, partial(torchvision.models.get_model, name, weights=None)
        for name in torchvision.models.list_models(module=torchvision.models.quantization):
            yield "torchvision", name, partial(torchvision.models.get_model, name, weights=None)
    if not missing_library(Reference("timm", "", "", nn.Identity)):
        import timm

        for name in timm.list_models():
            yield "timm", name, partial(timm.create_model, name, pretrained=False)
    if not missing_library(Reference("pytorchcv", "", "", nn.Identity)):
        from pytorchcv import model_provider

        for name in model_provider._models:
            yield "pytorchcv", name, partial(of_pytorchcv, name)
    if not missing_library(Reference("transformers", "", "", nn.Identity)):
        yield from _of_transformers()


def _of_transformers() -> Iterator[tuple[str, str, Callable[[], nn.Module]]]:
    """Every image classifier by its default config; of the two that are read also what a config may say otherwise."""
    from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING

    def make(config: Any, network: Any, **options: Any) -> nn.Module:
        built: nn.Module = network(config(**options))
        return built

    for config, network in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING.items():
        network = network[0] if isinstance(network, tuple) else network
        yield "transformers", config.model_type, partial(make, config, network)
        if config.model_type in ("mobilenet_v1", "mobilenet_v2"):
            for options in ({"tf_padding": False}, {"hidden_act": "relu"}, {"layer_norm_eps": 1e-5}):
                said = ", ".join(f"{key}={value}" for key, value in options.items())
                yield "transformers", f"{config.model_type} {said}", partial(make, config, network, **options)


def looks_known(make: Callable[[], nn.Module]) -> bool | None:
    """Are the names of its tensors recognised? None where it cannot be built without memory."""
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            return recognise(make().state_dict()) is not None
    except pv.InputError:
        return True
    except Exception:  # libraries raise nearly anything where a network needs numbers, or a package that is not there
        return None


def outcome(module: nn.Module, source: Any) -> str:
    """`agrees`, `refused: why`, or by how much the network made from `source` differs from `module`."""
    try:
        found = open_weights(source() if callable(source) and not isinstance(source, nn.Module) else source)
        size = 224 if found.resolution is None else found.resolution
        images = torch.randn(1, found.channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            theirs = answer(module, images)
        net = pv.create_model(found.family, resolution=size, classes=theirs.shape[1], weights=found).eval()
        with torch.inference_mode():
            apart = difference(net(images), theirs)
    except pv.InputError as error:
        return f"refused: {error}"
    return AGREES if apart < LIMIT else f"differs by {apart:.0%}"


def compare(library: str, name: str, make: Callable[[], nn.Module]) -> dict[str, str]:
    """The network given bare, by its name, and alive."""
    module = build_reference(Reference(library, name, "", make), SEED)
    state = module.state_dict()
    return {
        "network": f"{library}/{name}",
        "bare": outcome(module, state),
        "named": outcome(module, {"state_dict": state, "arch": name}),
        "alive": outcome(module, module),
    }


# Nobody publishes these tensors (they are quantised first): without a name they pass for the usual network, as is said.
ASSUMED = {("torchvision/quantized_mobilenet_v2", "bare")}


def failures(row: dict[str, str]) -> list[str]:
    name = row["network"]
    return [
        f"{name}, {how}: {said}"
        for how, said in row.items()
        if said.startswith("differs") and (name, how) not in ASSUMED
    ]


def page(result: dict[str, Any]) -> str:
    rows = [
        "| {} | {} | {} | {} |".format(*(said.partition(": ")[0] for said in row.values())) for row in result["rows"]
    ]
    return "\n".join(
        [
            "# Networks whose tensors look like ours",
            "",
            "```",
            result["command"],
            "```",
            "",
            f"Of {result['names']:,} networks that torchvision, timm, transformers and pytorchcv list, {len(rows)} "
            "have tensors by names that an importer knows. Each was given with random weights as a bare state dict, by "
            "its name (as a checkpoint says it), and alive. "
            f"{sum(bool(failures(row)) for row in result['rows'])} are silently taken for a network that answers "
            f"otherwise. Bare, {' and '.join(name for name, _ in ASSUMED)} passes for the usual network, and a line "
            "says so. The sentences of those refused stand in lookalikes.json, with commit, versions and machine.",
            "",
            "Options that a library is given (activation, output stride, pooling, epsilon, padding) leave no trace in "
            "the tensors: only a living network tells them, or the arguments that a script saved beside the weights.",
            "",
            "| network | bare state dict | by name | alive |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Not built here, and not compared: {', '.join(result['not built']) or 'none'}.",
            "",
        ]
    )


def examined(library: str, name: str, make: Callable[[], nn.Module]) -> dict[str, str] | bool | None:
    """The row of a network whose tensors look like ours; else False, and None where it cannot be built."""
    return compare(library, name, make) if (known := looks_known(make)) else known


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="pattern of library/name; nothing is written then")
    only = parser.parse_args().only
    about = provenance("python experiments/parity/lookalikes.py", SEED)
    progress = Progress("lookalikes", about) if only == "*" else None
    found = progress.found if progress else {}
    for library, name, make in names():
        network = f"{library}/{name}"
        if network in found or not fnmatch.fnmatch(network, only):
            continue
        result = examined(library, name, make)
        if progress:
            progress.add(network, result)
        found[network] = result
        if result:
            print(" | ".join(result.values()), file=sys.stderr, flush=True)
    rows = [found[name] for name in sorted(found) if found[name]]
    wrong = [line for row in rows for line in failures(row)]
    print("\n".join([*wrong, f"{len(rows)} look like ours, {len(wrong)} are taken for another"]))
    if progress:
        missing = sorted(name for name, result in found.items() if result is None)
        done = {**about, "names": len(found), "not built": missing, "rows": rows, "machine": machine()}
        write_atomic(HERE / "lookalikes.json", json.dumps(done, indent=1) + "\n")
        write_atomic(HERE / "lookalikes.md", page(done))
        progress.finish()
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

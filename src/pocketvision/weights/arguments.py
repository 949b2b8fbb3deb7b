"""What the command line of a training script, saved beside the weights, says of the network and of its images.

The scripts are train.py of timm, and that of torchvision's references/classification. An argument that makes another
network of the same tensors is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pocketvision.errors import InputError
from pocketvision.spec import Spec
from pocketvision.weights import timm_config
from pocketvision.weights.looks import numbers
from pocketvision.weights.recognised import Recognised, Tensors

Arguments = Mapping[str, Any]


def applied(found: Recognised, tensors: Tensors, arguments: Arguments, source: str) -> Recognised:
    """`found` as it was trained by a script with these arguments; unchanged for those of other scripts.

    InputError, with `source`, for networks that are not had here, and for values of no use.
    """
    read = _of_timm if "gp" in arguments else _of_torchvision if "val_crop_size" in arguments else None
    try:
        return read(found, tensors, arguments) if read else found
    except InputError as error:
        raise InputError(f"{source}, by the arguments in it: {error}") from None
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the arguments in {source} make no sense ({error!r}): give its state dict alone") from None


def _of_timm(found: Recognised, tensors: Tensors, arguments: Arguments) -> Recognised:
    given = {key: value for key, value in arguments.items() if value not in (None, "", [], ())}
    side = given.get("img_size")
    size = given.get("input_size", side and (3, side, side))
    known = {"crop_pct": found.looks.share, "interpolation": found.looks.interpolation}
    images: dict[str, Any] = {
        key: given[key] for key in ("mean", "std", "crop_pct", "interpolation", "crop_mode") if key in given
    }
    network = {"global_pool": given.get("gp"), "model_args": given.get("model_kwargs")}
    read = timm_config.read_looks({**known, **images, **network, "input_size": size}, found.channels(tensors))
    looks = replace(
        read,
        mean=read.mean if "mean" in given else found.looks.mean,
        std=read.std if "std" in given else found.looks.std,
        exact=read.exact if size else None,
    )
    changes: dict[str, Any] = {
        key: numbers(key, given[key], positive=True)[0] for key in ("bn_eps", "bn_momentum") if key in given
    }

    def adapt(spec: Spec) -> Spec:
        spec = found.adapt(spec)
        return replace(spec, conventions=replace(spec.conventions, **changes))

    return replace(found, adapt=adapt, looks=looks, resolution=read.side if size else found.resolution)


def _of_torchvision(found: Recognised, tensors: Tensors, arguments: Arguments) -> Recognised:
    (crop,) = numbers("val_crop_size", arguments["val_crop_size"], positive=True)
    (before,) = numbers("val_resize_size", arguments["val_resize_size"], positive=True)
    images = {"interpolation": arguments.get("interpolation"), "crop_pct": crop / before}
    read = timm_config.read_looks({**images, "input_size": (3, crop, crop)}, 3)
    exact = ((int(crop),) * 2, (int(before),) * 2)
    return replace(
        found,
        looks=replace(found.looks, share=read.share, interpolation=read.interpolation, exact=exact),
        resolution=int(crop),
    )

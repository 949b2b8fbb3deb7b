"""Tables only, one paper per file. `families.MODELS` lists them; a variant is a family at a width and a resolution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pocketvision.arguments import as_annotated
from pocketvision.errors import InputError
from pocketvision.models.families import MODELS
from pocketvision.models.family import Family
from pocketvision.models.input_sizes import least_resolution, usual_stride
from pocketvision.models.names import base_name, has_own_name, list_models, name_at, split_name, variant_name
from pocketvision.network import Network, build
from pocketvision.spec import Rows, Spec, small_input_stem, total_stride
from pocketvision.validation import check_dials, require_class_names, suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from pocketvision.weights import Weights


def create_spec(
    name: str,
    width: float | None = None,
    resolution: int | tuple[int, int] | None = None,
    classes: int = 1000,
    channels: int = 3,
    small_stem: bool = True,
    groups: int | None = None,
    bypass: str | None = None,
) -> Spec:
    """The architecture as data. What `name` says (`..._0.75_192`) holds unless width or resolution is given too.

    With `small_stem`, images of 64 px and below get the small-input stem. `groups` are ShuffleNetV1's, `bypass`
    SqueezeNet's.
    """
    named = split_name(name)
    family = MODELS[named.family]
    width = width if width is not None else named.width if named.width is not None else 1.0
    if resolution is None:
        resolution = family.resolution if named.resolution is None else named.resolution
    check_dials(name, width, resolution, classes, channels)
    # NumPy's numbers are taken, but a spec goes into JSON.
    width, classes, channels = float(width), int(classes), int(channels)
    resolution = (int(resolution[0]), int(resolution[1])) if isinstance(resolution, tuple) else int(resolution)
    rows, option = _turned(name, family, {"groups": groups, "bypass": bypass}, named.option)
    rows = rows if width == 1 else family.widen(rows, width)
    if small_stem:
        rows = small_input_stem(rows, resolution)
    least = max(total_stride(rows), family.least)
    if min(resolution if isinstance(resolution, tuple) else (resolution,)) < least:
        raise InputError(f"resolution {resolution} px is below what {name} can take: at least {least} px")
    origin = named._replace(option=option).origin(width)
    base = base_name(origin)
    full_name = base if (width, resolution) == (1, family.resolution) else variant_name(base, width, resolution)
    head = replace(family.head, classes=classes)
    return Spec(full_name, rows, head, resolution, channels, family.conventions, origin)


def _turned(name: str, family: Family, given: dict[str, Any], named: Any) -> tuple[Rows, Any]:
    """The family's rows with its own dial turned to what the caller gave, or the name says; and that value."""
    dial = family.dial
    for other, value in given.items():
        if value is not None and (dial is None or dial.name != other):
            raise InputError(f"{name} has no {other}: leave it out")
    if dial is None:
        return family.trunk, None
    value = named if given[dial.name] is None else given[dial.name]
    value = dial.values[0] if value is None else value
    if value not in dial.values:
        hint = suggestion(str(value), [str(choice) for choice in sorted(dial.values)])
        raise InputError(f"{dial.name} {value} of {name}: {hint}")
    return (family.trunk if value == dial.values[0] else dial.turn(family.trunk, value)), value


@as_annotated("name", "resolution", "classes")
def create_model(
    name: str,
    width: float | None = None,
    resolution: int | tuple[int, int] | None = None,
    classes: int | Sequence[str] | None = None,
    channels: int = 3,
    weights: str | Path | dict[str, Any] | nn.Module | Weights | None = None,
    groups: int | None = None,
    bypass: str | None = None,
) -> Network:
    """Build a network: `create_model("mobilenet_v2", width=0.75, resolution=192, classes=10)`.

    `classes` is a number or the class names; 1000 by default. `groups` are ShuffleNetV1's, `bypass` SqueezeNet's.
    `weights` is a file, folder, state dict or module of torchvision, timm, transformers, pytorchcv, a TFLite or Caffe
    file, a model file of ours, or "auto" to fetch published ones. Width, resolution, groups and bypass are then the
    weights' own where nothing else is said, and so are padding, epsilon, activations and preprocessing. With class
    names that the weights do not have, the classifier is fresh but for those that they know.
    InputError for an unknown name (with the nearest one), a width or resolution the network cannot take, and for
    weights that do not fit, tensor by tensor.
    """
    number, names = 1000, None
    if isinstance(classes, Iterable):
        names = require_class_names(classes)
        number = len(names)
    elif classes is not None:
        number = classes
    found = None
    if weights is not None:
        from pocketvision.weights import open_weights
        from pocketvision.weights.source import AUTO

        if str(weights) == AUTO and split_name(name).family != "mobilenet_v2":
            raise InputError(f"there are no weights of {name} to download: give a file, or take mobilenet_v2")
        found = open_weights(weights)
    spec = spec_for(name, width, resolution, number, channels, found, groups, bypass)
    return build_with(spec, names, found)


def build_with(spec: Spec, classes: Sequence[str] | None, weights: Weights | None) -> Network:
    """The network of `spec`, with names for its classes (None: numbers, or the weights' own) and `weights`, if any."""
    net = build(spec)
    if classes is not None:
        net.classes = tuple(classes)
    if weights is not None:
        from pocketvision.weights import load_weights

        load_weights(net, weights, named=classes is not None)
    return net


def spec_of(weights: Weights, resolution: int | tuple[int, int] | None, classes: int, channels: int) -> Spec:
    """The network that `weights` are of, with the strides that they were trained with, for another input and head.

    `resolution` None: the weights' own, else the paper's.
    Of a network of ours these are its own rows, whatever it is called and wherever they come from.
    """
    own, resolution = weights.spec, resolution or weights.resolution
    if own is not None:
        head = replace(own.head, classes=classes)  # type: ignore[type-var]
        resolution = resolution or own.resolution
        return replace(own, name=name_at(own, resolution), resolution=resolution, channels=channels, head=head)
    assert weights.origin is not None, "what another library's weights are of is known by its family"
    base, width = base_name(weights.origin), weights.origin.width
    return weights.adapted(create_spec(base, width, resolution, classes, channels, small_stem=False))


def spec_for(
    name: str,
    width: float | None,
    resolution: int | tuple[int, int] | None,
    classes: int,
    channels: int,
    weights: Weights | None,
    groups: int | None = None,
    bypass: str | None = None,
) -> Spec:
    """The architecture to load `weights` into (None: `create_spec`): what nobody gave is as the weights have it."""
    if weights is None:
        return create_spec(name, width, resolution, classes, channels, groups=groups, bypass=bypass)
    named, theirs = split_name(name), weights.origin
    as_trained = resolution is None and named.resolution is None  # then with the strides of the training, too
    if theirs is not None and named.family == theirs.family:
        width = theirs.width if width is None and named.width is None else width
        resolution = weights.resolution if resolution is None and named.resolution is None else resolution
        if named.option is None and groups is None and bypass is None:
            groups, bypass = (theirs.option, None) if isinstance(theirs.option, int) else (None, theirs.option)
    small_stem = not (as_trained and weights.foreign)
    return weights.adapted(create_spec(name, width, resolution, classes, channels, small_stem, groups, bypass))


__all__ = [
    "MODELS",
    "Family",
    "base_name",
    "build_with",
    "create_model",
    "create_spec",
    "has_own_name",
    "least_resolution",
    "list_models",
    "name_at",
    "spec_of",
    "split_name",
    "usual_stride",
    "variant_name",
]

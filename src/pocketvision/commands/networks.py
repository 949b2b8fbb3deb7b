"""The network that a command's MODEL means: a name with its dials, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pocketvision.errors import InputError

if TYPE_CHECKING:
    from pocketvision.network import Network
    from pocketvision.runtimes.predictor import Exported


def refuse_dials(model: str, *given: object) -> None:
    """InputError when one of the dials was `given`: a file has everything of its own."""
    if any(value is not None for value in given):
        raise InputError(
            f"{model} is a file with its own weights, size and classes: leave out --width, --resolution, --classes, "
            "--channels, --groups, --bypass and --pretrained"
        )


def check_model(
    model: str,
    width: float | None = None,
    resolution: int | None = None,
    classes: int | None = None,
    channels: int | None = None,
    groups: int | None = None,
    bypass: str | None = None,
    pretrained: Path | None = None,
) -> None:
    """InputError for a file that is not there, a name of no model, and dials that it has not; nothing is opened."""
    from pocketvision.loading import is_file, require_model_file

    if is_file(model):
        refuse_dials(model, width, resolution, classes, channels, groups, bypass, pretrained)
        if not model.startswith("hf:"):
            require_model_file(model)
        return
    from pocketvision.validation import check_dials, require_family

    require_family(model)
    check_dials(model, width, resolution, classes, channels, groups, bypass)
    if pretrained is not None:
        from pocketvision.fitting.request import require_weights

        require_weights(pretrained)


def check_trained(
    model: str,
    width: float | None,
    resolution: int | None,
    classes: int | None,
    channels: int | None,
    pretrained: Path | None,
) -> None:
    """The same for a network that is to answer: it needs weights."""
    from pocketvision.loading import is_file

    check_model(model, width, resolution, classes, channels, pretrained=pretrained)
    if not pretrained and not is_file(model):
        raise InputError(f"{model} is only an architecture: give --pretrained FILE, or a model file")


def trained(
    model: str,
    width: float | None,
    resolution: int | None,
    pretrained: Path | None,
    classes: int | None = None,
    channels: int | None = None,
) -> Network | Exported:
    """A network with weights: from a file of ours, or a name and `pretrained`."""
    from pocketvision.loading import is_file, load

    if is_file(model):
        refuse_dials(model, width, resolution, pretrained, classes, channels)
        return load(model)
    return network(model, width, resolution, classes, channels, pretrained).eval()


def network(
    model: str,
    width: float | None,
    resolution: int | None,
    classes: int | None,
    channels: int | None,
    pretrained: Path | None = None,
    groups: int | None = None,
    bypass: str | None = None,
) -> Network:
    """A network with its architecture: from a model file, or built from its name."""
    from pocketvision.loading import is_file, load

    if is_file(model):
        from pocketvision.network import Network

        refuse_dials(model, width, resolution, pretrained, classes, channels, groups, bypass)
        net = load(model)
        if not isinstance(net, Network):
            raise InputError(f"{model} is an exported file, its architecture is gone: give the model.safetensors")
        return net
    from pocketvision.models import create_model

    colours = 3 if channels is None else channels
    return create_model(model, width, resolution, classes, colours, pretrained, groups, bypass).eval()

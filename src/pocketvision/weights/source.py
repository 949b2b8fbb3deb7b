"""Where weights come from: a file, folder, state dict or module of another library, a model file of ours, the Hub."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pocketvision.data.dataset import Task
from pocketvision.errors import InputError
from pocketvision.files import split_called
from pocketvision.finite import require_finite
from pocketvision.network import Network
from pocketvision.spec import Spec, Variant
from pocketvision.weights import arguments, checkpoint, folder, hub, pytorchcv, reading, timm, transformers
from pocketvision.weights.convert import by_our_names
from pocketvision.weights.file import is_model_file, load
from pocketvision.weights.libraries import recognise
from pocketvision.weights.plain import plain
from pocketvision.weights.readings import resolve
from pocketvision.weights.recognised import Looks, Recognised, Tensors
from pocketvision.weights.wrapping import part_of, unwrapped_module

AUTO = "auto"


@dataclass(frozen=True, eq=False)
class Weights:
    """Trained tensors as their source names them, and the network that they are of.

    `classes` are the names of the classifier's outputs, empty where the source does not say. `spec` is there when the
    source is a network of ours (`network`): its tensors have our names. `module` is the live one of another library,
    where that was the source. `resolution` is the side that the source was trained at,
    px; None where it does not say. A network of ours that is of no family has its own name for one.
    """

    tensors: Tensors
    family: str
    width: float
    source: str
    classes: tuple[str, ...] = ()
    spec: Spec | None = None
    foreign: Recognised | None = None
    looks: Looks | None = None
    task: Task = "classify"
    network: Network | None = None
    module: nn.Module | None = None

    def __post_init__(self) -> None:
        require_finite(self.tensors, self.source)

    @property
    def name(self) -> str:
        """Short, for people: the file's name, or the whole one on the Hub."""
        return self.source if hub.is_name(self.source) else Path(self.source).name

    @property
    def channels(self) -> int:
        """Input channels that the tensors were trained on."""
        if self.spec:
            return self.spec.channels
        assert self.foreign
        try:
            return self.foreign.channels(self.tensors)
        except InputError as error:
            raise InputError(f"{self.source}: {error}") from None

    @property
    def resolution(self) -> int | tuple[int, int] | None:
        return self.spec.resolution if self.spec else self.foreign.resolution if self.foreign else None

    @property
    def origin(self) -> Variant | None:
        """The variant that they are of; None for a network of ours that is of no family."""
        if self.spec is not None:
            return self.spec.origin
        return Variant(self.family, self.width, self.foreign.option if self.foreign else None)

    @property
    def background(self) -> bool:
        """Is the first class "nothing of these", as TensorFlow's networks have it?"""
        return self.foreign is not None and self.foreign.background

    def adapted(self, spec: Spec) -> Spec:
        """`spec` with what the source does otherwise: padding, epsilon, activations."""
        if self.foreign:
            return self.foreign.adapt(spec)
        if self.spec is None or spec.origin is None or spec.origin != self.spec.origin:
            return spec
        trunk = self.spec.trunk
        if spec.resolution != self.spec.resolution and len(trunk) == len(spec.trunk):
            rows = zip(trunk, spec.trunk, strict=True)
            trunk = tuple(was if was.stride == row.stride else replace(was, stride=row.stride) for was, row in rows)  # type: ignore[type-var]
        head = replace(self.spec.head, classes=spec.head.classes)  # type: ignore[type-var]
        return replace(spec, trunk=trunk, head=head, conventions=self.spec.conventions)

    def named_for(self, spec: Spec) -> dict[str, Tensor]:
        """The tensors by our names, for a network of `spec`; names that are not known are kept, to be reported."""
        return by_our_names(self.tensors, self.foreign.names(spec), spec) if self.foreign else dict(self.tensors)


def open_weights(source: str | Path | dict[str, Any] | nn.Module | Weights, called: str = "") -> Weights:
    """Read weights and recognise what they are of, by the name `called` where tensors alone do not tell it.

    `source` is a file or folder, a state dict, a module of another
    library, "hf:owner/name" (on the Hugging Face Hub, "@revision" behind it), or "auto": published weights, from the
    disk where they were downloaded before, else downloaded after asking. "FILE@NAME" is the file, called so; of a file
    with student and teacher, "FILE@student" is the one, "FILE@student@NAME" the one, called so. InputError when that
    fails.
    """
    if isinstance(source, Weights):
        return source
    if isinstance(source, Network):
        return _of_ours(source, "this network")
    if isinstance(source, nn.Module):
        return _of_a_module(unwrapped_module(source))
    if isinstance(source, dict):
        part, called = part_of(called)
        found = checkpoint.of_content(source, "this state dict", part)
        return _of_read(reading.of_checkpoint(found), "this state dict", called)
    if hub.is_name(source):
        return replace(open_weights(hub.download(str(source)), called), source=str(source))
    if str(source) == AUTO and not Path(source).exists():
        source = hub.fetch()
    path, said = split_called(source)
    part, called = part_of(said or called)
    if is_model_file(path):
        return _of_ours(load(path), str(path))
    if folder.is_part(path):
        path = path.parent
    return _of_read(folder.read(path) if path.is_dir() else reading.read(path, part), str(path), called, path.name)


def _of_ours(net: Network, source: str) -> Weights:
    """Its classes, preprocessing and task, and how it was trained."""
    origin = net.spec.origin
    family, width = (origin.family, origin.width) if origin else (net.spec.name, 1.0)
    p = net.preprocessing
    looks = Looks(
        p.mean, p.std, p.resolution[0] / p.resize[0], p.interpolation, p.crop_first, p.fit, p.crop_floor,
        exact=(p.resolution, p.resize),
    )  # fmt: skip
    tensors = dict(net.state_dict())
    return Weights(tensors, family, width, source, net.classes, net.spec, looks=looks, task=net.task, network=net)


def _of_read(read: reading.Read, source: str, called: str = "", file: str = "") -> Weights:
    found = _of_another_library(read.tensors, source, read.recognised, (called, read.architecture, file))
    assert found.foreign
    trained = arguments.applied(found.foreign, found.tensors, read.arguments, source)
    found = replace(found, foreign=trained, looks=trained.looks)
    looks = read.looks or found.looks
    return replace(found, classes=read.classes or found.classes, looks=looks, task=read.task)


def _of_another_library(
    tensors: Tensors, source: str, found: Recognised | None = None, names: tuple[str, str, str] = ("", "", "")
) -> Weights:
    found = found or recognise(tensors)
    if found is None:
        first = ", ".join(list(tensors)[:3]) or "none"
        raise InputError(
            f"{source} is not known: its first tensors are {first}; the networks of torchvision, timm, transformers "
            "and pytorchcv that 'pocketvision models' has are read"
        )
    found = resolve(found, source, *names)
    changed = tensors if found.tensors is None else found.tensors
    return Weights(changed, found.family, found.width, source, foreign=found, looks=found.looks)


def _of_a_module(module: nn.Module) -> Weights:
    """A live network says itself what its file does not: epsilon and momentum of its BatchNorm, shortcuts, config."""
    source = f"this {type(module).__name__}"
    tensors = plain(module.state_dict(), source)
    config = transformers.config_of(module)
    if config is not None:
        return replace(_of_read(transformers.read(tensors, config, source), source), module=module)
    shown = getattr(module, "pretrained_cfg", None)  # timm's
    shown = shown if isinstance(shown, dict) else {}
    found = timm.of_module(module, tensors) or pytorchcv.of_module(module, tensors) or recognise(tensors)
    stated = str(shown.get("architecture", ""))
    if found and any(reading.change is None and reading.is_called(stated) for reading in found.readings):
        found = resolve(found, source, "", stated)
    # What a name would tell is seen in the living network, or in its answers; see `check`.
    weights = replace(_of_another_library(tensors, source, found and replace(found, readings=())), module=module)
    if shown and weights.foreign:
        read = folder.of_timm(tensors, weights.foreign, {"pretrained_cfg": shown}, f"the pretrained_cfg of {source}")
        weights = replace(_of_read(read, source), module=module)
    norm = next((part for part in module.modules() if isinstance(part, nn.BatchNorm2d)), None)
    if norm is None or weights.foreign is None:
        return weights
    known = weights.foreign.adapt

    def adapt(spec: Spec) -> Spec:
        spec = known(spec)
        momentum = spec.conventions.bn_momentum if norm.momentum is None else norm.momentum
        return replace(spec, conventions=replace(spec.conventions, bn_eps=norm.eps, bn_momentum=momentum))

    return replace(weights, foreign=replace(weights.foreign, adapt=adapt))

"""The module built from a Spec: a trunk of rows, a head, and what a shipped network must carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pocketvision.calibration import Calibration
from pocketvision.data.dataset import Task
from pocketvision.data.image import Preprocessing, preprocessing_for
from pocketvision.errors import InputError
from pocketvision.spec import Init, Spec

if TYPE_CHECKING:
    from pocketvision.results import Result


class Network(nn.Module):
    """N x channels x H x W normalised floats -> N x classes logits.

    `trunk[i]` is built from `spec.trunk[i]`. `classes` are the class names in the order of the outputs,
    `preprocessing` how an image becomes the input, `task` whether it has one class ("classify") or any number of them
    ("multilabel"), `calibration` what its probabilities are worth, `metrics` and `provenance` what is known of the
    weights; all of them travel in the model file.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.trunk = nn.Sequential()
        channels = spec.channels
        for row in spec.trunk:
            self.trunk.append(row.build(channels, spec.conventions))
            channels = row.out
        self.head = spec.head.build(channels)
        self.classes: tuple[str, ...] = tuple(str(i) for i in range(spec.head.classes))
        self.preprocessing: Preprocessing = preprocessing_for(spec.resolution, spec.channels)
        self.task: Task = "classify"
        self.calibration = Calibration()
        self.metrics: dict[str, Any] = {}
        self.provenance: dict[str, Any] = {}

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x))

    def predict(self, images: Any) -> list[Result]:
        """One Result for each image: a path, PIL image, array or tensor, or a list of them.

        See `pocketvision.runtimes.predictor.predict`.
        """
        from pocketvision.runtimes import torch as runtime
        from pocketvision.runtimes.predictor import predict

        return predict(runtime.load(self), images)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write a folder as the Hugging Face Hub has it, which transformers opens too where it knows the network.

        `pv.load(folder)` rebuilds the network exactly. InputError when the folder cannot be written.
        """
        from pocketvision.weights import pretrained

        return pretrained.save_pretrained(self, folder)

    def push_to_hub(self, repo_id: str, token: str | None = None, private: bool = False) -> str:
        """Upload that folder with a model card as `owner/name`; the address. `pv.load("hf:owner/name")` gets it back.

        `token` None: the one of `hf auth login`. InputError when the Hub or the way there fails.
        """
        from pocketvision.weights import pretrained

        return pretrained.push_to_hub(self, repo_id, token, private)


def require_network(net: object, what: str) -> None:
    """InputError for what is no Network; `what` is what should be done with one."""
    if not isinstance(net, Network):
        kind = "an exported file, its architecture is gone" if hasattr(net, "runnable") else type(net).__name__
        raise InputError(f"cannot {what} {net!r} ({kind}): give a Network, of create_model or load")


def features(net: Network, x: Tensor) -> dict[int, Tensor]:
    """What a detector or a segmentation head reads: {stride: N x C x H x W}, the last map of each stride, finest first.

    The strides are those of the table: with the small-input stem they are smaller than usual.
    """
    found, stride = dict[int, Tensor](), 1
    for row, module in zip(net.spec.trunk, net.trunk, strict=True):
        x, stride = module(x), stride * row.stride
        found[stride] = x
    return found


def build(spec: Spec) -> Network:
    """A freshly initialised Network; see `initialise`."""
    net = Network(spec)
    initialise(net, spec.conventions.init)
    return net


def initialise(net: nn.Module, how: Init) -> None:
    """Fresh weights: convolutions Kaiming normal over fan out or Glorot uniform, the last layer N(0, 0.01), no bias."""
    last = getattr(getattr(net, "head", None), "classifier", None)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module is not last:
            if how == "glorot":
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def build_meta(spec: Spec) -> Network:
    """The same modules without weights or memory, to count and to inspect."""
    with torch.device("meta"):
        return Network(spec)

"""The same weights in the implementation that they were published for: uint8 pixels in, scores of 1000 classes out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pocketvision.weights import caffe, deep_compression

Reference = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
CAFFE_MEAN = (104.0, 117.0, 123.0)  # blue, green, red


def litert(path: Path) -> Reference:
    """Google's interpreter on the quantised file itself; its first output, "background", is left out."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    image, scores = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def one(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        interpreter.set_tensor(image, pixels[None])
        interpreter.invoke()
        return interpreter.get_tensor(scores)[0, 1:].astype(np.float32)

    return lambda images: np.stack([one(pixels) for pixels in images])


def mobilenet_v2(path: Path) -> Reference:
    """torchvision's module, ImageNet's mean and standard deviation."""
    import torchvision

    net = torchvision.models.mobilenet_v2()
    net.load_state_dict(torch.load(path, weights_only=True))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return _in_torch(net, lambda pixels: (pixels / 255 - mean) / std)


def squeezenet_1_1(path: Path) -> Reference:
    import torchvision

    return _squeezenet(torchvision.models.squeezenet1_1(), caffe.read_npz(path))


def squeezenet_1_0(path: Path) -> Reference:
    import torchvision

    return _squeezenet(torchvision.models.squeezenet1_0(), deep_compression.read(path))


def _squeezenet(net: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> Reference:
    """torchvision's module with Caffe's tensors in Caffe's order, fed BGR less Caffe's mean."""
    fires = [f"fire{i}/{part}" for i in range(2, 10) for part in ("squeeze1x1", "expand1x1", "expand3x3")]
    order = [f"{layer}.{kind}" for layer in ("conv1", *fires, "conv10") for kind in ("weight", "bias")]
    with torch.no_grad():
        for parameter, name in zip(net.parameters(), order, strict=True):
            parameter.copy_(tensors[name])
    return _in_torch(net, lambda pixels: pixels.flip(3) - torch.tensor(CAFFE_MEAN))


def _in_torch(net: torch.nn.Module, normalise: Callable[[torch.Tensor], torch.Tensor]) -> Reference:
    net.eval()

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        x = normalise(torch.from_numpy(images).float()).permute(0, 3, 1, 2)
        return np.concatenate([net(part).numpy() for part in x.split(32)])

    return run

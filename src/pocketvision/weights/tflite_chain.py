"""What the operators of a .tflite file make together: layers one after the other, shortcuts, pooling, an answer.

Every operator is honoured, or refused by name: none is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from pocketvision.errors import InputError
from pocketvision.weights.tflite import Activation, Layer, Step, TFLite

ACTIVATIONS: dict[str, Activation] = {"RELU": "relu", "RELU6": "relu6"}
SHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
RANGES = {(-1.0, 1.0): (0.5, 0.5), (0.0, 1.0): (0.0, 1.0), (0.0, 255.0): (0.0, 1 / 255)}  # seen -> mean, std
NEAR = 0.02  # how far a quantised range may be from a round one, as a share of its width


@dataclass(frozen=True, eq=False)
class Chain:
    """`layers` in order, own activations folded in; `shortcuts` (a, b): what layer `a` is given is added to what `b`
    gives. `mean` and `std` of values in 0..1 are what makes of pixels what the first layer sees.
    """

    layers: tuple[Layer, ...]
    shortcuts: frozenset[tuple[int, int]]
    mean: float
    std: float


def follow(file: TFLite, path: object) -> Chain:
    """InputError, with `path`, for a graph that is no chain, and for an operator that means something else."""
    return _Follower(file, path).run()


class _Follower:
    def __init__(self, file: TFLite, path: object) -> None:
        self.file, self.path = file, path
        self.layers: list[Layer] = []
        self.shortcuts: set[tuple[int, int]] = set()
        self.at = file.ends[0]  # the tensor that the data stands in
        self.given = {self.at: 0}  # tensor -> how many layers it has passed
        self.pooled = self.answered = False
        zero, scale = file.input_zero_point, file.input_scale
        self.mean, self.std = (0.5, 0.5) if scale is None or zero is None else (zero / 255, 1 / (255 * scale))
        self.before: Step | None = None

    def run(self) -> Chain:
        for step in self.file.steps:
            self.take(step)
            self.at, self.before = step.output, step
            self.given[step.output] = len(self.layers)
        if self.at != self.file.ends[1] or not self.pooled or len(self.layers) != len(self.file.layers):
            raise InputError(f"{self.path} cannot be converted: it does not end in a pooling and one classifier")
        return Chain(tuple(self.layers), frozenset(self.shortcuts), self.mean, self.std)

    def take(self, step: Step) -> None:
        data = [index for index in step.inputs if index >= 0 and index not in step.constants]
        if step.layer:
            data = [step.inputs[0]]
        last = len(self.layers) == len(self.file.layers)
        if self.at not in data or self.answered:
            self.refuse(step, "beside the chain of layers")
        if step.layer:
            if self.pooled != (len(self.layers) == len(self.file.layers) - 1):
                self.refuse(step, "on the wrong side of the pooling")
            self.layers.append(step.layer)
        elif step.name == "ADD" and len(data) == 2 and step.options(0, "<b", 0) == 0:
            self.shortcut(step, data)
        elif step.name in ACTIVATIONS and self.before and self.before.layer and self.layers[-1].activation == "none":
            self.layers[-1] = replace(self.layers[-1], activation=ACTIVATIONS[step.name])
        elif step.name in ("AVERAGE_POOL_2D", "MEAN") and not self.pooled and self.is_global(step):
            self.pooled = True
        elif step.name in SHAPES and self.pooled and prod(step.shapes[0]) == prod(step.shapes[1]):
            pass  # one vector stays one vector
        elif step.name == "SOFTMAX" and last and step.options(0, "<f", 1.0) == 1.0:
            self.answered = True
        elif step.name == "QUANTIZE":
            self.quantised(step)
        elif step.name != "DEQUANTIZE":
            place = "before the first layer" if not self.layers else f"after {len(self.layers)} of its layers"
            self.refuse(step, place)

    def shortcut(self, step: Step, data: list[int]) -> None:
        other = data[1 - data.index(self.at)]
        if other not in self.given or other == self.at:
            self.refuse(step, "of something else than a layer's input")
        self.shortcuts.add((self.given[other], len(self.layers) - 1))

    def is_global(self, step: Step) -> bool:
        """Does it average over all places, and over nothing else?"""
        before, after = step.shapes
        if prod(after) != before[-1] or after[-1] != before[-1] or len(before) != 4:
            return False
        if step.name == "MEAN":
            return True
        sides = (int(step.options(4, "<i", 0)), int(step.options(3, "<i", 0)))
        return sides == before[1:3] and step.options(5, "<b", 0) == 0

    def quantised(self, step: Step) -> None:
        """Float pixels are quantised first: the range says what the network was shown."""
        if self.layers or self.file.input_scale is not None or step.output_range is None:
            return
        low, high = step.output_range
        for (least, most), (mean, std) in RANGES.items():
            if max(abs(low - least), abs(high - most)) <= NEAR * (most - least):
                self.mean, self.std = mean, std
                return
        self.refuse(step, f"of an image from {low:.3g} to {high:.3g}, and does not say how pixels become that")

    def refuse(self, step: Step, why: str) -> None:
        raise InputError(
            f"{self.path} cannot be converted: it has {step.name} {why}; plain MobileNetV1 and V2 classifiers are read"
        )

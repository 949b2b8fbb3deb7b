"""One step of the optimiser, and one validation, on batches as they come from the loader."""

from __future__ import annotations

import math
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pocketvision.data.dataset import Dataset
from pocketvision.data.image import Preprocessing
from pocketvision.training.color import jitter_colors
from pocketvision.training.losses import objective
from pocketvision.training.mixing import mixing
from pocketvision.training.recipe import Recipe


class Step:
    """What is done with a batch, by the recipe, on the accelerator's device."""

    def __init__(self, dataset: Dataset, p: Preprocessing, recipe: Recipe, accelerator: Accelerator) -> None:
        self.recipe, self.accelerator = recipe, accelerator
        self.objective = objective(dataset)
        self.mean = torch.tensor(p.mean).view(1, -1, 1, 1).to(accelerator.device) * 255
        self.scale = 1 / (torch.tensor(p.std).view(1, -1, 1, 1).to(accelerator.device) * 255)
        self.mix = mixing(recipe, len(dataset.classes))
        self.color = recipe.color if recipe.policy == "basic" and p.channels == 3 else 0.0

    def __call__(self, model: nn.Module, optimizer: Any, images: Tensor, labels: Tensor) -> float:
        """Train on uint8 N x C x H x W `images`; the loss, the mean of all processes'.

        A loss that is not finite leaves the weights as they are.
        """
        optimizer.zero_grad()
        x, targets = self.normalise(images, self.color), self.objective.targets(labels.to(self.accelerator.device))
        if self.mix:
            x, targets = self.mix(x, targets)
            x = x.contiguous(memory_format=torch.channels_last)
        with self.accelerator.autocast():
            logits = model(x)
        loss = self.objective.loss(logits.float(), targets, self.recipe.label_smoothing)
        together = loss.detach()
        if isinstance(model, DistributedDataParallel):  # not the copy whose speed each process measures for itself
            together = self.accelerator.reduce(together, "mean")
        value = together.item()
        if together.isfinite():
            self.accelerator.backward(loss)
            optimizer.step()
        return value

    def normalise(self, images: Tensor, color: float = 0.0) -> Tensor:
        x = images.to(self.accelerator.device).float().contiguous(memory_format=torch.channels_last)
        if color:
            x = jitter_colors(x, color)
        return (x - self.mean) * self.scale

    @torch.inference_mode()
    def validate(self, net: nn.Module, batches: Any) -> tuple[float | None, float | None]:
        """(mean loss, score by the task's metric) of `net` on all batches; (None, None) when there is none.

        A loss that is not finite has no score.
        """
        net.eval()
        found = [(net(self.normalise(images)), labels) for images, labels in batches]
        if not found:
            return None, None
        logits = torch.cat([answers for answers, _ in found])
        targets = self.objective.targets(torch.cat([labels for _, labels in found]).to(logits.device))
        loss = self.objective.loss(logits, targets).item()
        return loss, self.objective.score(logits, targets) if math.isfinite(loss) else None

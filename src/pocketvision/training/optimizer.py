"""AdamW or SGD with the recipe's rates: the head at its own, the trunk more gently the nearer a row is to the input."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from pocketvision.network import Network
from pocketvision.training.recipe import Recipe
from pocketvision.training.schedule import rate


def make_optimizer(net: Network, recipe: Recipe) -> Optimizer:
    """One group for each rate and decay. No decay on BatchNorm and biases; frozen rows are left out.

    The classifier has the rate `lr`, the last row `lr * trunk_lr`, each row before it `layer_decay` times the next.
    """
    depth = len(net.trunk)
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        head = name.startswith("head.classifier")
        row = int(name.split(".")[1]) if name.startswith("trunk.") else depth - 1
        if not head and row < recipe.freeze:
            continue
        lr = recipe.lr if head else recipe.lr * recipe.trunk_lr * recipe.layer_decay ** (depth - 1 - row)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((head, lr, decay), []).append(parameter)
    options = [
        {"params": params, "lr": lr, "peak_lr": lr, "weight_decay": decay, "head": head}
        for (head, lr, decay), params in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return SGD(options, momentum=0.9, nesterov=True)
    return AdamW(options, fused=True)  # one pass over the parameters, not one for each operation


def set_rates(optimizer: Optimizer, progress: float, recipe: Recipe, scale: float = 1.0) -> None:
    """The rates at `progress` (0..1) through the run, times `scale`. During `head_warmup` the trunk stands still."""
    trunk = (progress - recipe.head_warmup) / (1 - recipe.head_warmup)
    for group in optimizer.param_groups:
        along = progress if group["head"] else trunk
        group["lr"] = scale * group["peak_lr"] * rate(along, recipe.warmup) if along > 0 else 0.0

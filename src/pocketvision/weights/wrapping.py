"""The names of a network's tensors without what the network was wrapped in when it was trained."""

from __future__ import annotations

import re

from torch import Tensor, nn

from pocketvision.progress import say

ANYWHERE = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")  # torch.compile, FSDP
COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel
WRAPPERS = ("module", "model", "net", "network", "backbone", "encoder")  # DataParallel, Lightning and other frameworks
AVERAGES = ("ema", "model_ema", "ema_model", "ema_net", "swa_model", "average_model", "averaged_model")
BESIDE = re.compile(r"criterion|loss(_\w+)?|(train|val|valid|test)_\w+|metrics?")  # of a Lightning module, no network


def unwrapped(tensors: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """`tensors` by the names that the network itself gives them.

    Where a wrapper holds an average of the network too (EMA, SWA), that is taken; what is taken and left out is said,
    with `source`.
    """
    tensors = {ANYWHERE.sub("", name): tensor for name, tensor in tensors.items() if name != COUNTER}
    while True:
        tops = {name.partition(".")[0] for name in tensors}
        beside = {top for top in tops if BESIDE.fullmatch(top)}
        averages, wrappers = tops & set(AVERAGES), tops & set(WRAPPERS)
        alone = len(averages) <= 1 and len(wrappers) <= 1 and (averages or wrappers)
        if not alone or tops - beside - averages - wrappers:
            return tensors
        taken = next(iter(averages or wrappers))
        if left := sorted(tops - {taken}):
            say(f"{source}: the tensors of {taken} are taken, those of {', '.join(left)} are not")
        tensors = {
            name.removeprefix(f"{taken}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{taken}.") and name != f"{taken}.{COUNTER}"
        }


def unwrapped_module(module: nn.Module) -> nn.Module:
    """A live network out of DataParallel, torch.compile, AveragedModel."""
    while True:
        inner = getattr(module, "_orig_mod", None) or getattr(module, "module", None)
        if not isinstance(inner, nn.Module):
            return module
        module = inner

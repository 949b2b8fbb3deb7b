"""The names of a network's tensors without what the network was wrapped in when it was trained."""

from __future__ import annotations

import re
from collections.abc import Collection

from torch import Tensor, nn

from pocketvision.errors import InputError
from pocketvision.progress import say

ANYWHERE = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")  # torch.compile, FSDP
COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel
PAIR = ("student", "teacher")  # of distillation: two networks in one file
# DataParallel, Lightning and other frameworks, and how scripts call the attribute that holds the network.
WRAPPERS = ("module", "model", "_model", "net", "network", "backbone", "encoder", "cnn", *PAIR)
AVERAGES = ("ema", "model_ema", "ema_model", "ema_net", "swa_model", "average_model", "averaged_model")
BESIDE = re.compile(r"criterion|loss(_\w+)?|(train|val|valid|test)_\w+|metrics?")  # of a Lightning module, no network


def part_of(called: str) -> tuple[str, str]:
    """Of "student@NAME" the part of the pair, and what it is called; either may be missing."""
    first, _, rest = called.partition("@")
    return (first, rest) if first in PAIR else ("", called)


def chosen(names: Collection[str], part: str, source: str) -> str:
    """Of student and teacher the one that there is, or that is the `part` wanted. InputError where that is open."""
    if len(names) == 1:
        return next(iter(names))
    if part not in names:
        raise InputError(
            f"{source} holds two networks, student and teacher: say which, as FILE@student or FILE@teacher, in Python "
            'also open_weights(source, "student")'
        )
    return part


def unwrapped(tensors: dict[str, Tensor], source: str, part: str = "") -> dict[str, Tensor]:
    """`tensors` by the names that the network itself gives them.

    Where a wrapper holds an average of the network too (EMA, SWA), that is taken; of student and teacher, the `part`
    wanted. What is taken and left out is said, with `source`. InputError where nobody says which of the two.
    """
    tensors = {ANYWHERE.sub("", name): tensor for name, tensor in tensors.items() if name != COUNTER}
    while True:
        tops = {name.partition(".")[0] for name in tensors}
        beside = {top for top in tops if BESIDE.fullmatch(top)}
        averages, wrappers = tops & set(AVERAGES), tops & set(WRAPPERS)
        single = len(wrappers) <= 1 or wrappers == set(PAIR)
        alone = len(averages) <= 1 and single and (averages or wrappers)
        if not alone or tops - beside - averages - wrappers:
            return tensors
        taken = chosen(averages or wrappers, part, source)
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

"""Where the held-out images are too few to say anything, and time is left: cross-validation, within `fit`.

The network that ships stays the one that was trained. As many others as there are folds are trained in the same way,
each judged on images that it has not seen: together they say how good such a network is, on all images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pocketvision.data.dataset import Dataset
from pocketvision.data.doctor import Examination, same_pictures
from pocketvision.data.folds import deal_folds, hold_out_fold
from pocketvision.errors import InputError
from pocketvision.evaluation import Evaluation, evaluate_samples
from pocketvision.fitting.accuracy import FEW
from pocketvision.journal import Journal
from pocketvision.network import Network
from pocketvision.progress import say
from pocketvision.runtimes import torch as torch_runtime
from pocketvision.scores import MultilabelEvaluation
from pocketvision.training.divergence import Diverged
from pocketvision.training.history import History
from pocketvision.training.loop import train_network

FOLDS = (5, 3)  # the more the better, as many as there is time for


@dataclass(frozen=True)
class Crossed:
    """What the networks of all folds answered, each to the images that it had not seen."""

    result: Evaluation | MultilabelEvaluation
    folds: int

    @property
    def split(self) -> str:
        """`5 folds`: what stands where others name the split."""
        return f"{self.folds} folds"


def affordable_folds(held_out: int, trained: float, left: float) -> int:
    """How many folds: 0 where so many held-out images are enough, or where `left` seconds are too few.

    Each takes about as long as the training did, `trained` seconds.
    """
    if held_out >= FEW:
        return 0
    return next((folds for folds in FOLDS if folds * trained <= left), 0)


def cross_validate(
    make: Callable[[], Network],
    dataset: Dataset,
    seen: Examination,
    history: History,
    folds: int,
    seconds: float,
    state: Path,
    device: str,
    show: bool,
    journal: Journal,
) -> Crossed | None:
    """Train `folds` networks from `make()` as `history` was, in `seconds` altogether, and pool what they answer.

    None when the classes are too small for it, or when a training diverges. What the `journal` holds is not trained
    again; `state` is a folder to resume from.
    """
    recipe, passes = history.recipe, history.passes
    try:
        dealt = deal_folds(dataset, folds, recipe.seed, same_pictures(seen, dataset))
    except InputError as error:
        if show:
            say(f"no cross-validation: {error}")
        return None

    def answers(fold: str) -> dict[str, Any]:
        if show:
            say(f"cross-validation, {fold} of {folds}")
        net, part = make(), hold_out_fold(dealt, fold)
        limit = seconds / folds
        train_network(net, part, recipe, limit, state / fold, show, device=device, passes=passes)
        net.to("cpu")
        found = evaluate_samples(torch_runtime.load(net), part.splits["val"], show=False)
        truth = found.truth if isinstance(found, MultilabelEvaluation) else found.labels
        return {"truth": truth.tolist(), "probabilities": found.probabilities.tolist()}

    try:
        found = [
            journal.once(f"{folds} folds, {fold}, after {passes:g} epochs", partial(answers, fold))
            for fold in dealt.splits
            if fold != "test"
        ]
    except Diverged as error:
        if show:
            say(f"no cross-validation: {error.found}")
        return None
    probabilities = np.concatenate([np.array(part["probabilities"], np.float32) for part in found])
    truth = np.concatenate([np.array(part["truth"]) for part in found])
    if dataset.task == "multilabel":
        return Crossed(MultilabelEvaluation(truth.astype(np.bool_), probabilities), folds)
    return Crossed(Evaluation(truth.astype(np.int64), probabilities), folds)

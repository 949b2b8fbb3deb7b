"""Does an exported network answer as the original does? Nothing is shipped until this has been asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pocketvision.data.image import Pixels, Preprocessing, prepare
from pocketvision.data.reading import Skipped, read_each
from pocketvision.errors import InputError
from pocketvision.finite import require_finite_answers
from pocketvision.runtimes import Runnable
from pocketvision.runtimes.predictor import AnyImage


@dataclass(frozen=True)
class ExportCheck:
    """How far two runtimes agree on the same image files."""

    images: int  # compared
    top1_agreement: float  # fraction of images with the same most probable class; in "multilabel", the same labels
    max_abs_error: float  # largest difference of any probability
    runtime: str  # of the candidate
    top1: float | None = None  # accuracy of the candidate, where labels were given

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def compare(
    reference: Runnable,
    candidate: Runnable,
    images: Sequence[AnyImage],
    batch: int = 32,
    progress: Callable[[int, int], object] | None = None,
    labels: Sequence[int] | None = None,
) -> ExportCheck:
    """Run both on every image, each decoding the files by itself with the preprocessing that it carries.

    `progress(done, total)` is called after each batch. Images that cannot be read are left out and named. InputError
    when there are none (left), and when the classes differ.
    """
    if not len(images):
        raise InputError(
            f"cannot check {candidate.runtime} against {reference.runtime} without images: give at least one"
        )
    if reference.classes != candidate.classes or reference.task != candidate.task:
        raise InputError(
            f"{candidate.runtime} and {reference.runtime} cannot be compared: their class names or their order differ, "
            "or their tasks"
        )
    compared, agreed, correct, error = 0, 0, 0, 0.0
    skipped = Skipped()
    for start in range(0, len(images), batch):
        chunk = images[start : start + batch]
        pictures = _read_twice(chunk, reference.preprocessing, candidate.preprocessing, skipped)
        if progress is not None:
            progress(start + len(chunk), len(images))
        if not pictures:
            continue
        expected = reference.run(np.stack([picture for picture, _ in pictures.values()]))
        found = candidate.run(np.stack([picture for _, picture in pictures.values()]))
        require_finite_answers(expected, reference.runtime)
        compared += len(pictures)
        answers = np.where(np.isfinite(found).all(axis=1), found.argmax(axis=1), -1)  # NaN is an answer to nothing
        if candidate.task == "multilabel":
            agreed += int(((found >= 0.5) == (expected >= 0.5)).all(axis=1)[answers >= 0].sum())
        else:
            agreed += int((answers == expected.argmax(axis=1)).sum())
        # A NaN must not vanish in a maximum: it is the largest error there is.
        error = max(error, float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max()))
        if labels is not None:
            correct += int((answers == np.array([labels[start + index] for index in pictures])).sum())
    skipped.say(len(images))
    top1 = correct / compared if labels is not None else None
    return ExportCheck(compared, agreed / compared, error, candidate.runtime, top1)


def _read_twice(
    images: Sequence[AnyImage], one: Preprocessing, other: Preprocessing, skipped: Skipped
) -> dict[int, tuple[Pixels, Pixels]]:
    """index -> its pixels by both preprocessings, each from the file on; what either cannot read is left out."""
    return read_each(images, lambda image: (prepare(image, one), prepare(image, other)), skipped)

"""How many images a step may look at: what the machine, as busy as it is, answers in the seconds that the step has."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from pocketvision.progress import say

PROBED = 16  # images that the speed is measured on
LEAST = 200  # images: fewer say too little, however slow the machine is

T = TypeVar("T")


def evenly(samples: Sequence[T], most: int) -> Sequence[T]:
    """At most `most` of the samples, evenly spread."""
    return samples[:: max(1, math.ceil(len(samples) / max(1, most)))]


def affordable(
    samples: Sequence[T],
    most: int,
    seconds: float,
    answer: Callable[[Sequence[T]], object],
    what: str = "",
    looks: int = 1,
    least: int = LEAST,
) -> Sequence[T]:
    """At most `most` of the samples, evenly spread: as many as `answer` can look at `looks` times within `seconds`.

    But `least`, if there are so many. How fast it answers is measured on a few. When there are fewer than without the
    limit, that is said, with the name of the step in `what`; "" says nothing.
    """
    wanted = evenly(samples, most)
    if len(wanted) <= least:
        return wanted
    few = evenly(samples, PROBED)
    answer(few)  # the first answers take longer: memory, threads, files that were not read yet
    began = time.monotonic()
    answer(few)
    each = max(time.monotonic() - began, 1e-9) / len(few)
    found = evenly(samples, min(most, max(least, int(seconds / (looks * each)))))
    if what and len(found) < len(wanted):
        say(f"{what}: {len(found):,} of {len(wanted):,} images, as many as this machine answers now in {seconds:.0f} s")
    return found

"""What a step of training takes at the moment, in seconds at full resolution."""

from __future__ import annotations

from pocketvision.training.plan import size_share
from pocketvision.training.recipe import Recipe

REPLANS = 50  # of a run that is bounded by time


class Pace:
    """Counts steps and seconds since the plan was last looked at; what happens between `step` and `restart` is not."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.seconds = self.cost = 0.0
        self.latest: float | None = None  # seconds of a step

    def restart(self, at: float) -> None:
        """Something else was done until `at`."""
        self.at = at

    def step(self, at: float, recipe: Recipe, progress: float) -> None:
        """A step has ended `at` (seconds by any clock)."""
        self.seconds += at - self.at
        self.cost += size_share(recipe, progress) ** 2
        self.at = at

    def due(self, limit: float, left: float, force: bool = False) -> float | None:
        """Seconds of a step where it is time to plan anew, else None.

        That is REPLANS times in the run, when there is no time `left` (seconds, the last validation not counted) for
        another step, and with `force`.
        """
        if not self.cost:
            return self.latest if force else None
        now = self.seconds / self.cost
        if self.seconds < limit / REPLANS and left > now and not force:
            return None
        # A single slow step says little about the next ones, many in a row say all.
        self.latest = now if self.latest is None else (self.latest + now) / 2
        self.seconds = self.cost = 0.0
        return self.latest

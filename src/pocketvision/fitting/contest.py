"""From timed candidates to the one that is trained: what keeps the budget, what the time teaches, what learns best."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pocketvision.data.dataset import Dataset
from pocketvision.fitting.candidates import Candidate
from pocketvision.fitting.choose import candidate_rows, choose, explain
from pocketvision.fitting.halving import Contender, contenders, explain_halving, halve, with_better_recipe
from pocketvision.fitting.learn import Start, is_worth_halving, speed_of, train_shortly
from pocketvision.fitting.schedule import CHOOSING
from pocketvision.fitting.teachable import in_a_hurry, steps_in, teachable
from pocketvision.fitting.timer import Timer
from pocketvision.journal import Journal
from pocketvision.progress import say
from pocketvision.runfolder import RunFolder

CHOICE, CONTEST = "state/choice.json", "state/contest.json"
SPEED, MEASURING = "{}: images/s in training", "{}: s of measuring that"  # steps of the journal
LEAST_LEFT = 0.5  # of the time for training: what measuring speeds leaves of it, however busy the machine is


@dataclass(frozen=True)
class Choice:
    """Those that keep the budget, the preferred first; all candidates; the table of all; and the reason."""

    finalists: list[Candidate]
    candidates: list[Candidate]
    rows: list[dict[str, Any]]
    reason: str

    @property
    def affordable(self) -> list[Candidate]:
        """All that keep the budget, timed or by the timed ones around them."""
        fitting = {row["model"] for row in self.rows if row["fits"]}
        return [candidate for candidate in self.candidates if candidate.name in fitting]

    def expected_ms(self, candidate: Candidate) -> float | None:
        """The latency of a candidate, timed or predicted, in ms; None when nothing like it was timed."""
        row = next(row for row in self.rows if row["model"] == candidate.name)
        return row["latency_ms"] or row["predicted_ms"]


def choice_once(
    folder: RunFolder,
    timer: Timer,
    candidates: list[Candidate],
    budget_ms: float,
    show: bool,
    told: Callable[[float], object],
) -> Choice:
    """Timed once, within CHOOSING seconds, then remembered in the run folder. `told` as in `choose.Looks`."""
    saved = folder.read(CHOICE)
    if saved is None:
        finalists = choose(candidates, budget_ms, timer, show, CHOOSING, told)
        saved = {
            "finalists": [candidate.name for candidate in finalists],
            "rows": candidate_rows(candidates, finalists[0], budget_ms, timer),
            "reason": explain(finalists[0], candidates, budget_ms, timer),
        }
        folder.write(CHOICE, saved)
    by_name = {candidate.name: candidate for candidate in candidates}
    return Choice([by_name[name] for name in saved["finalists"]], candidates, saved["rows"], saved["reason"])


@dataclass(frozen=True)
class Winner:
    """What is trained, the seconds that are left for its training, and why it is this one."""

    contender: Contender
    seconds: float
    reason: str


@dataclass(frozen=True)
class Contest:
    """Decides what `seconds` of training on `dataset` are given to; every step is remembered."""

    folder: RunFolder
    start: Start
    dataset: Dataset
    seconds: float
    device: str
    show: bool
    journal: Journal

    @property
    def images(self) -> int:
        return len(self.dataset.splits["train"])

    def decide(self, choice: Choice) -> Winner:
        """What the time can train: the first choice, or where it would stay at guessing, a smaller network.

        Then, where there are images and time for them, the winner of a few short trainings.
        """
        choice = self.teachable(choice)
        first = choice.finalists[0]
        if not is_worth_halving(self.images, self.seconds):
            name, recipe = next(iter(self.recipes(first).items()))
            recipe = recipe if first.pretrained else in_a_hurry(recipe, self.steps(first))
            return Winner(Contender(first, recipe, name), self.left(self.seconds, choice), choice.reason)
        return self.halve(choice)

    def left(self, seconds: float, choice: Choice) -> float:
        """What measuring speeds leaves of `seconds`, which are for training."""
        known = self.journal.known
        measuring = sum(known.get(MEASURING.format(candidate.name), 0.0) for candidate in choice.candidates)
        return max(LEAST_LEFT * seconds, seconds - measuring)

    def teachable(self, choice: Choice) -> Choice:
        """The choice, with the network first that the time teaches most."""
        first = choice.finalists[0]
        found = teachable(first, choice.affordable, self.steps)
        if found.best == first:
            return choice
        finalists = [found.best, *(c for c in choice.finalists[1:] if c.macs < found.best.macs)]
        return replace(choice, finalists=finalists, reason=f"{choice.reason} {found.reason(first)}")

    def halve(self, choice: Choice) -> Winner:
        """The winner of successive halving."""
        first, known = choice.finalists[0], self.folder.read(CONTEST, list) or []
        passes = self.speed(first) * self.seconds / self.images
        pool = contenders(choice.finalists, choice.affordable, self.recipes, passes)
        if self.show and not known:
            say(f"{choice.reason} Short trainings of {len(pool)} contenders decide.")
        winner, left = halve(
            pool, self.dataset, self.seconds, self.train, known, lambda rows: self.folder.write(CONTEST, rows)
        )
        winner = with_better_recipe(winner, known, self.recipes)
        return Winner(winner, self.left(left, choice), f"{choice.reason} {explain_halving(pool, winner, known)}")

    def recipes(self, candidate: Candidate) -> dict[str, Any]:
        """By name, the likelier first."""
        return self.start.recipes(candidate, self.images)

    def speed(self, candidate: Candidate) -> float:
        """Images a second in training, measured once."""

        def measured() -> float:
            recipe = next(iter(self.recipes(candidate).values()))
            net = self.start.network(candidate)
            return speed_of(net, recipe, self.dataset, self.device, self.seconds).images

        began = time.monotonic()
        speed: float = self.journal.once(SPEED.format(candidate.name), measured)
        self.journal.once(MEASURING.format(candidate.name), lambda: time.monotonic() - began)
        return speed

    def training_seconds(self, winner: Winner) -> float:
        """What the training takes, by the speed that was measured: all of its time, or what its recipe needs."""
        speed = self.journal.known.get(SPEED.format(winner.contender.candidate.name))
        needed = winner.contender.recipe.epochs * self.images / speed if speed else winner.seconds
        return min(winner.seconds, needed)

    def steps(self, candidate: Candidate) -> int:
        """Steps of the optimiser that a candidate gets in the time."""
        recipe = next(iter(self.recipes(candidate).values()))
        return steps_in(self.seconds, self.speed(candidate), recipe, self.images)

    def train(self, contender: Contender, data: Dataset, limit: float, name: str) -> dict[str, Any]:
        """A short training."""
        state = self.folder.out / "state" / name
        return train_shortly(self.start, contender, data, limit, state, self.device, self.show, self.journal)

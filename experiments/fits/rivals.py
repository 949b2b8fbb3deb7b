"""Was the choice right? Three rivals from the run's own candidates, trained as long as the winner, on the same split.

    python experiments/fits/rivals.py DATA RUN [--pretrained WEIGHTS]

RUN is a finished folder of run.py, such as runs/fits/cifar10-1.5ms-40m-pretrained-0. The rivals are what seems
likeliest to do better: the winner with its other recipe, the largest cheaper network of its own line, and the first
contender of another. Each is a stage of its own in RUN/rivals/, as long as the winner's training, and resumed when the
command is given again. Judged on val, by each training's last epoch: the test images stay unseen. Adds the rows to
results.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from run import save, saved

from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import load_splits
from pocketvision.fitting.candidates import Candidate, grid
from pocketvision.fitting.halving import Contender, contenders, halve
from pocketvision.fitting.job import CHOICE, REPORT, SPEED, TIMED
from pocketvision.fitting.learn import Start
from pocketvision.fitting.pretrained import Pretrained
from pocketvision.fitting.survey import survey
from pocketvision.training.loop import train_network
from pocketvision.training.recipe import Recipe
from pocketvision.weights import open_weights


def main() -> None:
    """Train what is not trained yet; print and save one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("run", type=Path)
    parser.add_argument("--pretrained", metavar="WEIGHTS")
    arguments = parser.parse_args()

    def read(name: str) -> Any:
        return json.loads((arguments.run / name).read_text())

    report, choice = read(REPORT), read(CHOICE)
    dataset = load_splits(arguments.run / "splits.json", open_dataset(arguments.data))
    weights = open_weights(arguments.pretrained) if arguments.pretrained else None
    seen = survey(dataset.splits["train"])
    channels = weights.channels if weights else seen.channels
    start = Start(dataset.classes, channels, report["seed"], weights, dataset.task, seen.side)
    known = Pretrained.of(weights, len(dataset.classes), channels) if weights else None
    by_name = {c.name: c for c in grid(len(dataset.classes), channels, seen.side, known)}
    finalists = [by_name[name] for name in choice["finalists"]]
    affordable = [by_name[row["model"]] for row in choice["rows"] if row["fits"]]
    images, seconds = len(dataset.splits["train"]), read("state/settings.json")["seconds"]
    speed = read(TIMED)[SPEED.format(finalists[0].name)]

    def recipes(candidate: Candidate) -> dict[str, Recipe]:
        return start.recipes(candidate, images)

    pool = contenders(finalists, affordable, recipes, speed * seconds / images)
    winner, _ = halve(pool, dataset, seconds, _never, report["contest"], lambda _: None)  # decided again, not trained
    found: dict[str, Any] = {"winner": {"contender": winner.name, **_row(report["training"])}, "rivals": []}
    for rival in rivals(pool, winner, affordable, recipes):
        out = arguments.run / "rivals" / rival.name.replace(" · ", "-")
        net = start.network(rival.candidate)
        history = train_network(net, dataset, rival.recipe, report["training"]["seconds"], out)
        found["rivals"].append({"contender": rival.name, **_row(history.to_json())})
        print(found["rivals"][-1], flush=True)
        save(arguments.run.name, {**saved()[arguments.run.name], "rivals": found})
    best = max(rival["val_top1"] for rival in found["rivals"])
    print(f"best rival {best:.4f}, winner {found['winner']['val_top1']:.4f} on val")


def rivals(
    pool: Sequence[Contender],
    winner: Contender,
    affordable: Sequence[Candidate],
    recipes: Callable[[Candidate], dict[str, Recipe]],
) -> list[Contender]:
    """The winner with its other recipe, the largest cheaper network of its line, the first contender of another."""
    own = winner.candidate
    line = [c for c in affordable if (c.family, c.width, c.pretrained) == (own.family, own.width, own.pretrained)]
    cheaper = max((c for c in line if c.macs < own.macs), key=lambda c: c.macs)
    return [
        next(c for c in pool if c.candidate is own and c is not winner),
        *(Contender(cheaper, recipe, name) for name, recipe in list(recipes(cheaper).items())[:1]),
        next(c for c in pool if c.candidate.family != own.family),
    ]


def _never(contender: Contender, *_: object) -> dict[str, float]:
    raise SystemExit(f"{contender.name} has no short training in this run: it was made by another version")


def _row(training: dict[str, Any]) -> dict[str, Any]:
    last = training["epochs"][-1]
    return {
        "val_top1": round(last["val_top1"], 4),
        "val_loss": round(last["val_loss"], 4),
        "epochs": last["epoch"],
        "seconds": round(training["seconds"]),
    }


if __name__ == "__main__":
    main()

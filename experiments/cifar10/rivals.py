"""Was the halving right? The contenders that it dropped, trained for as long as the winner, on the same split.

    python experiments/cifar10/rivals.py DATA WEIGHTS RUN

RUN is a finished folder of run.py, such as runs/cifar10/1.5ms-40m-pretrained-0. Each rival is a stage of its own in
RUN/rivals/, as long as the winner's training, and resumed when the command is given again. Judged on val, by each
training's last epoch: the test images stay unseen. Adds the rows to results.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pocketvision.data.sources import open_dataset
from pocketvision.data.splits import load_splits
from pocketvision.fitting.candidates import grid
from pocketvision.fitting.halving import Contender, contenders, halve
from pocketvision.fitting.job import CHOICE, REPORT, SPEED, TIMED
from pocketvision.fitting.learn import Start
from pocketvision.fitting.survey import survey
from pocketvision.training.loop import train_network
from pocketvision.weights import open_weights

HERE = Path(__file__).parent


def main() -> None:
    """Train what is not trained yet; print and save one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("run", type=Path)
    arguments = parser.parse_args()

    def read(name: str) -> Any:
        return json.loads((arguments.run / name).read_text())

    report, choice = read(REPORT), read(CHOICE)
    dataset = load_splits(arguments.run / "splits.json", open_dataset(arguments.data))
    weights = open_weights(arguments.weights) if report["verdict"]["pretrained"] else None
    seen = survey(dataset.splits["train"])
    channels = weights.channels if weights else seen.channels
    start = Start(dataset.classes, channels, report["seed"], weights, dataset.task, seen.side)
    known = (weights.family, weights.width) if weights else None
    by_name = {c.name: c for c in grid(len(dataset.classes), channels, seen.side, known)}
    finalists = [by_name[name] for name in choice["finalists"]]
    affordable = [by_name[row["model"]] for row in choice["rows"] if row["fits"]]
    images, seconds = len(dataset.splits["train"]), read("state/settings.json")["seconds"]
    speed = read(TIMED)[SPEED.format(finalists[0].name)]
    pool = contenders(finalists, affordable, lambda c: start.recipes(c, images), speed * seconds / images)
    winner, _ = halve(pool, dataset, seconds, _never, report["contest"], lambda _: None)  # decided again, not trained
    last = report["training"]["epochs"][-1]
    row: dict[str, Any] = {"winner": {"contender": winner.name, **_row(report["training"])}, "rivals": []}
    for place, contender in enumerate(pool):
        if contender is not winner:
            row["rivals"].append(_train(contender, start, dataset, report, arguments.run / "rivals" / str(place)))
            best = max(rival["val_top1"] for rival in row["rivals"])
            print(f"{row['rivals'][-1]}; best {best:.4f}, winner {last['val_top1']:.4f}", flush=True)
            results = json.loads((HERE / "results.json").read_text())
            results[arguments.run.name]["rivals"] = row
            (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def _never(contender: Contender, *_: object) -> dict[str, float]:
    raise SystemExit(f"{contender.name} has no short training in this run: it was made by another version")


def _train(contender: Contender, start: Start, dataset: Any, report: dict[str, Any], out: Path) -> dict[str, Any]:
    seconds = report["training"]["seconds"]
    history = train_network(start.network(contender.candidate), dataset, contender.recipe, seconds, out)
    return {"contender": contender.name, **_row(history.to_json())}


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

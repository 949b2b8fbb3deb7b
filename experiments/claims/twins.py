"""MobileNetV1, its full twin, and thin against shallow: trained alike on part of CIFAR-10, judged on its test images.

At 32 px, with the small-input stem. Every network sees the same images in the same order. A training goes on in
runs/claims/ where it was killed; what is finished there is not done again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import intervals
from place import RUNS, shared

WIDTH, RESOLUTION = 0.5, 32


@dataclass(frozen=True)
class Twin:
    """A network to train: its family, its width."""

    family: str
    width: float


TWINS = {
    "separable": Twin("mobilenet_v1", WIDTH),
    "thin": Twin("mobilenet_v1", 0.75 * WIDTH),
    "shallow": Twin("mobilenet_v1_shallow", WIDTH),
    "full": Twin("mobilenet_v1_full", WIDTH),
}


@dataclass(frozen=True)
class Schedule:
    """How many of the 50,000 training images, how often, and for which networks."""

    images: int
    epochs: int
    networks: tuple[str, ...]


SHORT = Schedule(10_000, 9, ("separable", "thin", "shallow", "full"))  # the full twin: 35 minutes on one core
PAIRS = {"full minus separable": ("full", "separable"), "thin minus shallow": ("thin", "shallow")}
AGAIN = ("separable", "thin", "shallow")  # cheap enough for further seeds


def run(seeds: int = 1, schedule: Schedule = SHORT) -> dict[str, Any]:
    """Train what is not trained yet: all networks with seed 0, those of AGAIN with as many seeds as asked."""
    found = {name: [_train(name, 0, schedule)] for name in schedule.networks}
    for seed in range(1, seeds):
        for name in AGAIN:
            if name in found:
                found[name].append(_train(name, seed, schedule))
    return {
        "images": schedule.images,
        "resolution": RESOLUTION,
        "recipe": recipe(0, schedule).to_json(),
        **summary(found),
    }


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Accuracies with intervals, and the paired differences over the seeds that both networks have."""
    from pocketvision.evaluation import wilson

    rows = []
    for one in (one for runs in found.values() for one in runs):
        images = len(one["right"])
        top1 = one["right"].count("1") / images
        kept = {key: value for key, value in one.items() if key != "right"}
        rows.append({**kept, "top1": top1, "interval": wilson(top1, images)})
    pairs = []
    for title, (first, second) in PAIRS.items():
        if first not in found or second not in found:
            continue
        seeds = min(len(found[first]), len(found[second]))
        difference, interval = intervals.paired(mean_right(found[first][:seeds]), mean_right(found[second][:seeds]))
        pairs.append({"pair": title, "seeds": seeds, "difference": difference, "interval": interval})
    return {"rows": rows, "pairs": pairs}


def mean_right(runs: list[dict[str, Any]]) -> list[float]:
    """For each test image the share of the runs that are right."""
    return [sum(map(int, column)) / len(runs) for column in zip(*(run["right"] for run in runs), strict=True)]


def recipe(seed: int, schedule: Schedule) -> Any:
    """The recipe from scratch, with little augmentation: the run is short."""
    from pocketvision.training.recipe import from_scratch

    return replace(from_scratch(images=schedule.images), epochs=schedule.epochs, crop=(0.7, 1.0), color=0.0, seed=seed)


def _train(name: str, seed: int, schedule: Schedule) -> dict[str, Any]:
    """The run of one network: costs, epochs, seconds, and for each test image in order whether it is right (0 or 1)."""
    import torch

    import pocketvision as pv
    from pocketvision.data.sources import open_dataset
    from pocketvision.evaluation import evaluate_samples
    from pocketvision.files import write_atomic
    from pocketvision.measure.count import count
    from pocketvision.progress import say
    from pocketvision.runtimes import torch as runtime
    from pocketvision.training.loop import Trainer

    out = RUNS / f"{name}-{seed}"
    result = out / "result.json"
    if result.exists():
        return json.loads(result.read_text())
    torch.set_num_threads(1)
    data = open_dataset(shared("data/cifar10.tar"))
    test = data.splits["test"]
    some = replace(data, splits={"train": part(data.splits["train"], schedule.images)})
    twin = TWINS[name]
    torch.manual_seed(seed)
    net = pv.create_model(twin.family, width=twin.width, resolution=RESOLUTION, classes=data.classes)
    say(f"{name}, seed {seed}")
    history = Trainer(net, some, recipe(seed, schedule), device="cpu").run(out)
    judged = evaluate_samples(runtime.load(net), test)
    costs = count(net)
    found = {
        "network": name,
        "model": net.spec.name,
        "seed": seed,
        "params": costs.params,
        "macs": costs.macs,
        "epochs": len(history.epochs),
        "seconds": round(history.seconds),
        "images_per_second": history.images_per_second,
        "train_loss": history.epochs[-1]["train_loss"],
        "right": "".join(str(int(yes)) for yes in judged.answers == judged.labels),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(result, json.dumps(found) + "\n")
    return found


def part(samples: Any, images: int) -> tuple[Any, ...]:
    """So many of the samples, as many of each class, always the same."""
    by_class: dict[int, list[Any]] = {}
    for sample in samples:
        by_class.setdefault(sample.label, []).append(sample)
    for label, members in by_class.items():
        Random(f"claims/{label}").shuffle(members)
    return tuple(sample for _, members in sorted(by_class.items()) for sample in members[: images // len(by_class)])

"""Training throughput of MobileNetV2, batch 64, on two threads: a plain PyTorch loop, and ours.

    python experiments/throughput/run.py [--rounds 7] [--seconds 8] [--sides 64 224]

Each loop lives in a process of its own, because how freed memory is kept is a setting of the process. The processes
train in turn, in a shuffled order, while the others wait. About 12 minutes on two cores with nothing else running.
Writes results.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

HERE = Path(__file__).parent
BATCH = 64
# fmt: off
LOOPS = {
    #                   what it is
    "plain":            "torchvision's network, channels_last, cross-entropy, SGD with momentum",
    "ours":             "our loop, everything learns",
    "ours, frozen BN":  "our loop, BatchNorm at its pretrained statistics, folded (the recipe for few images)",
    "ours, 4 rows":     "our loop, the first four rows of the table frozen",
}
RECIPES = {"ours": {}, "ours, frozen BN": {"frozen_bn": True}, "ours, 4 rows": {"freeze": 4}}
# fmt: on


def make_step(loop: str, side: int) -> Any:
    """A function that trains one step, in this process."""
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(2)
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, 3, side, side), dtype=torch.uint8)
    labels = torch.randint(0, 10, (BATCH,))
    if loop == "plain":
        from torchvision.models import mobilenet_v2

        net = mobilenet_v2(num_classes=10).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        x = (pixels.float() / 255 - 0.5).contiguous(memory_format=torch.channels_last)

        def step() -> None:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            loss.item()

        return step

    import pocketvision as pv
    from pocketvision.data.dataset import Dataset
    from pocketvision.data.sources import open_dataset
    from pocketvision.training.loop import Trainer
    from pocketvision.training.modes import set_training
    from pocketvision.training.optimizer import make_optimizer
    from pocketvision.training.recipe import Recipe

    digits = open_dataset("digits")  # the Trainer wants a data set; the pixels above are what it trains on
    some = Dataset("digits", "digits", digits.classes, {"train": digits.splits["train"][:BATCH]})
    ours = pv.create_model("mobilenet_v2", resolution=224, classes=10)
    recipe = Recipe(batch=BATCH, optimizer="sgd", lr=0.01, label_smoothing=0.0, **RECIPES[loop])
    trainer = Trainer(ours, some, recipe, show=False, device="cpu")
    set_training(trainer.net, recipe)
    sgd = make_optimizer(trainer.net, recipe)
    return lambda: trainer.step(trainer.net, sgd, pixels, labels)


def work(loop: str, side: int, seconds: float) -> None:
    """The life of a process: for each line on standard input train for some seconds and print each step's seconds."""
    step = make_step(loop, side)
    for _ in range(3):
        step()
    print(json.dumps([]), flush=True)
    for _ in sys.stdin:
        step()
        taken, end = [], time.perf_counter() + seconds
        while len(taken) < 3 or time.perf_counter() < end:
            began = time.perf_counter()
            step()
            taken.append(time.perf_counter() - began)
        print(json.dumps(taken), flush=True)


def measure(side: int, rounds: int, seconds: float) -> dict[str, list[list[float]]]:
    """Seconds of each step, by loop and round."""
    command = [sys.executable, __file__, "--seconds", str(seconds), "--sides", str(side), "--work"]
    processes = {
        loop: subprocess.Popen([*command, loop], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for loop in LOOPS
    }
    taken: dict[str, list[list[float]]] = {loop: [] for loop in LOOPS}
    for process in processes.values():
        assert process.stdout and process.stdout.readline().strip() == "[]"
    order, shuffle = list(LOOPS), random.Random(0).shuffle
    for number in range(rounds):
        shuffle(order)
        for loop in order:
            process = processes[loop]
            assert process.stdin and process.stdout
            print("go", file=process.stdin, flush=True)
            taken[loop].append(json.loads(process.stdout.readline()))
        print(f"{side} px: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    for process in processes.values():
        process.communicate()
    return taken


def summary(side: int, taken: dict[str, list[list[float]]]) -> list[dict[str, Any]]:
    """Images per second of each loop, and its ratio to the plain one round by round."""
    from pocketvision.measure.latency import median_interval

    medians = {loop: [median(steps) for steps in rounds] for loop, rounds in taken.items()}
    rows = []
    for loop, rounds in taken.items():
        speeds = [BATCH / seconds for steps in rounds for seconds in steps]
        tenths = quantiles(speeds, n=10, method="inclusive")
        ratios = [plain / own for plain, own in zip(medians["plain"], medians[loop], strict=True)]
        rows.append(
            {
                "side": side,
                "loop": loop,
                "images_per_second": BATCH / median(medians[loop]),
                "p10": tenths[0],
                "p90": tenths[-1],
                "ratio": median(ratios),
                "ratio_interval": median_interval(ratios),
                "steps": len(speeds),
            }
        )
    return rows


def main() -> None:
    """Measure all loops at each side, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 224])
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work, arguments.sides[0], arguments.seconds)

    from pocketvision.measure.machine import machine

    before = machine()
    rows = [
        row for side in arguments.sides for row in summary(side, measure(side, arguments.rounds, arguments.seconds))
    ]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()
    command = " ".join(["python", "experiments/throughput/run.py", *sys.argv[1:]])
    result = {"command": command, "commit": commit, "batch": BATCH, "threads": 2, "rows": rows, "machine": before}
    (HERE / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    print("| px | loop | images/s (p10-p90) | ratio to plain (95 % interval) |\n|---|---|---|---|")
    for row in rows:
        low, high = row["ratio_interval"]
        print(
            f"| {row['side']} | {row['loop']} | {row['images_per_second']:.0f} ({row['p10']:.0f}-{row['p90']:.0f}) "
            f"| {row['ratio']:.2f} ({low:.2f}-{high:.2f}) |"
        )


if __name__ == "__main__":
    main()

"""Training speed of MobileNetV2 (width 0.5, 32 px, batch 32) by threads and by how they wait for each other.

Each way is a process of its own; they train in turn, a second each: what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "two threads, spinning (the default)": ("2", {}),
    "two threads, OMP_WAIT_POLICY=PASSIVE": ("2", {"OMP_WAIT_POLICY": "PASSIVE"}),
    "two threads, GOMP_SPINCOUNT=1000": ("2", {"GOMP_SPINCOUNT": "1000"}),
    "two threads, GOMP_SPINCOUNT=10000": ("2", {"GOMP_SPINCOUNT": "10000"}),
    "one thread": ("1", {}),
    "two threads after 2, 1, 2": ("2,1,2", {}),
}
BATCH = 32


def work(counts: str) -> None:
    """Answer each line of seconds on standard input with images per second."""
    import torch

    import pocketvision as pv

    net = pv.create_model("mobilenet_v2", width=0.5, resolution=32, classes=10).train()
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    images = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()

    for count in counts.split(","):
        torch.set_num_threads(int(count))
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        began, done = time.monotonic(), 0
        while time.monotonic() - began < float(line):
            step()
            done += BATCH
        print(done / (time.monotonic() - began), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--work")
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.work)
        return
    quiet = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    processes = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--work", counts],
            env=quiet | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, (counts, settings) in WAYS.items()
    }
    speeds: dict[str, list[float]] = {name: [] for name in processes}
    for turn in range(chosen.rounds + 1):
        for name, process in processes.items():
            assert process.stdin and process.stdout
            if turn:
                process.stdin.write(f"{chosen.seconds}\n")
                process.stdin.flush()
            answer = process.stdout.readline()
            if turn:
                speeds[name].append(float(answer))
    for name, process in processes.items():
        process.communicate()
        low, high = min(speeds[name]), max(speeds[name])
        print(f"| {name} | {statistics.median(speeds[name]):.0f} ({low:.0f}-{high:.0f}) |")


if __name__ == "__main__":
    main()

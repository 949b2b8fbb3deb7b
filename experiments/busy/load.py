"""One busy process: `python load.py spin|stream|train`. Says "ready" when it works, and goes on until it is ended.

`spin` counts, which needs the CPU alone; `stream` copies 64 MB to and fro, which empties the caches and fills the
memory bus; `train` trains MobileNetV2 x0.5 at 96 px on noise, in batches of 16, on one thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"


def spin() -> None:
    for _ in range(200_000):
        pass


def streaming() -> Callable[[], object]:
    import numpy as np

    a, b = np.zeros(8_000_000), np.ones(8_000_000)
    return lambda: np.copyto(a, b)


def training() -> Callable[[], object]:
    import torch

    from pocketvision.models import create_model

    torch.set_num_threads(1)
    net = create_model("mobilenet_v2", width=0.5, classes=10, resolution=96).train()
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters())
    images, labels = torch.randn(16, 3, 96, 96), torch.randint(10, (16,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()

    return step


def main() -> None:
    parent = os.getppid()
    work = {"spin": lambda: spin, "stream": streaming, "train": training}[sys.argv[1]]()
    work()
    print("ready", flush=True)
    while os.getppid() == parent:  # the experiment was killed
        work()


if __name__ == "__main__":
    main()

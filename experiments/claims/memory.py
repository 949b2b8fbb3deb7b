"""What training MobileNetV1 takes, beside its full twin: memory and images per second at the same input and batch.

Memory is measured in a process of its own for each network: the growth of its largest resident size over that before
the network was made, and the tensors that are kept for the backward pass, each storage once, without the parameters.
The size is Linux's VmHWM: `ru_maxrss` would begin at that of the process that started this one. Images per second are
timed with both networks in one process, in turn. The machine must be quiet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from place import HERE

NETWORKS = ("mobilenet_v1", "mobilenet_v1_full")
# fmt: off
SETTINGS = {
    #            width, px, batch
    "128 px":   (1.0,  128, 16),
    "32 px":    (0.5,   32, 64),  # the twins of this folder
}
# fmt: on
STEPS = 3


def run(smoke: bool = False) -> dict[str, Any]:
    """About five minutes on a quiet machine."""
    rows = []
    for setting, (width, side, batch) in SETTINGS.items():
        speeds = _speeds(setting, smoke)
        for name in NETWORKS:
            rows.append(
                {
                    "setting": setting,
                    "network": name,
                    "width": width,
                    "side": side,
                    "batch": batch,
                    **_in_a_process(setting, name),
                    **speeds[name],
                }
            )
    return {"threads": 1, "rows": rows}


def make_step(setting: str, name: str) -> Any:
    """A function that trains one step with SGD on random images: channels_last, one thread."""
    import torch
    from torch.nn import functional as F

    import pocketvision as pv

    torch.set_num_threads(1)
    torch.manual_seed(0)
    width, side, batch = SETTINGS[setting]
    images = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    net = pv.create_model(name, width=width, resolution=side, classes=10).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    step.parameters = {parameter.data_ptr() for parameter in net.parameters()}  # type: ignore[attr-defined]
    return step


def _speeds(setting: str, smoke: bool) -> dict[str, dict[str, Any]]:
    """Images per second of each network, in turn with the other."""
    from pocketvision.measure.latency import time_interleaved

    batch = SETTINGS[setting][2]
    steps = {name: make_step(setting, name) for name in NETWORKS}
    options = {"rounds": 6, "seconds": 0.01} if smoke else {"rounds": 9, "seconds": 2.0}
    found = {}
    for name, latency in time_interleaved(steps, threads=1, **options).items():
        low, high = batch * 1e3 / latency.high_ms, batch * 1e3 / latency.low_ms
        found[name] = {"images_per_second": batch * 1e3 / latency.median_ms, "speed_interval": [low, high]}
    return found


def _in_a_process(setting: str, name: str) -> dict[str, int]:
    """What `work` prints, in a process that does nothing else."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "memory.py"), setting, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def largest_resident() -> int:
    """Bytes of memory that this process had at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def work(setting: str, name: str) -> dict[str, int]:
    """{saved_bytes, peak_bytes} of training steps in this process."""
    import torch

    smallest = partial(torch.nn.functional.conv2d, torch.randn(1, 3, 8, 8, requires_grad=True))
    smallest(torch.randn(4, 3, 3, 3)).sum().backward()  # loads what every training loads
    before = largest_resident()
    step = make_step(setting, name)
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in step.parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    for _ in range(STEPS):
        step()
    peak = largest_resident() - before
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    return {"saved_bytes": sum(saved.values()), "peak_bytes": peak}


if __name__ == "__main__":
    print(json.dumps(work(*sys.argv[1:])))

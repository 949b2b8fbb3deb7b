"""Where training runs: the CPU, a GPU with mixed precision, or several processes under torchrun."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration

from pocketvision.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")


def make_accelerator(device: str = "auto") -> Accelerator:
    """accelerate's handle on the device; each batch is divided among the processes of a distributed run.

    On CUDA in bfloat16 where the GPU has it, else float16; on Apple's GPU in float16. InputError for an unknown device
    and for one that this machine does not have.
    """
    if device not in DEVICES:
        raise InputError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not has.get(device, True):
        raise InputError(f"this machine has no device {device!r} that PyTorch can use: give --device cpu")
    chosen = device if device != "auto" else next((name for name, there in has.items() if there), "cpu")
    precision = {"cpu": "no", "mps": "fp16"}.get(chosen) or ("bf16" if torch.cuda.is_bf16_supported() else "fp16")
    return Accelerator(
        cpu=chosen == "cpu",
        mixed_precision=precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
    )

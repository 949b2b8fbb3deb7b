"""Where training runs: the CPU, a GPU with mixed precision, or several processes under torchrun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocketvision.errors import InputError
from pocketvision.validation import suggestion

if TYPE_CHECKING:
    from accelerate import Accelerator

DEVICES = ("auto", "cpu", "cuda", "mps")


def require_device(device: str) -> None:
    """InputError for what names no device to train on, before PyTorch is asked whether it is there."""
    if device not in DEVICES:
        raise InputError(f"unknown device {device!r}: {suggestion(device, DEVICES)}")


def shared_batch(wanted: int, images: int, processes: int) -> int:
    """Images of a batch: as `wanted`, or all there are; each of the `processes` has the same number of them.

    InputError where they cannot share it.
    """
    if wanted % processes or images < processes:
        raise InputError(
            f"{processes} processes cannot share batches of {min(wanted, images)} images: give --set batch={processes} "
            "or a multiple of it, and at least one image for each process"
        )
    batch = min(wanted, images)
    return batch - batch % processes


def make_accelerator(device: str = "auto") -> Accelerator:
    """accelerate's handle on the device; each batch is divided among the processes of a distributed run.

    On CUDA in bfloat16 where the GPU has it, else float16; on Apple's GPU in float16. InputError for an unknown device
    and for one that this machine does not have.
    """
    require_device(device)
    import torch
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

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

"""The commands. Each is a Python function of the same name with the same arguments, plus how its result is shown."""

from __future__ import annotations

from collections.abc import Callable

from pocketvision.commands.bench import bench
from pocketvision.commands.guidelines import guidelines
from pocketvision.commands.jobs import doctor, fit, train
from pocketvision.commands.machine import machine
from pocketvision.commands.models import models
from pocketvision.commands.profile import profile
from pocketvision.commands.using import evaluate, export, predict

COMMANDS: dict[str, Callable[..., None]] = {
    "fit": fit,
    "doctor": doctor,
    "models": models,
    "profile": profile,
    "train": train,
    "eval": evaluate,
    "predict": predict,
    "export": export,
    "bench": bench,
    "guidelines": guidelines,
    "machine": machine,
}

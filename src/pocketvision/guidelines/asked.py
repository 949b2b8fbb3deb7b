"""What `guidelines` can be asked for, judged before PyTorch is imported."""

from __future__ import annotations

from collections.abc import Sequence

from pocketvision.errors import InputError
from pocketvision.runtimes import RUNTIMES, require_runtime
from pocketvision.runtimes.cores import check_threads
from pocketvision.units import counted
from pocketvision.validation import require_one_of

EXPERIMENTS = ("G1", "G2", "G3", "G4", "depthwise", "V3-Large", "channels")

# Seventy networks are exported, and opened anew in each batch: litert converts, torch_compiled compiles for minutes.
ENGINES = ("onnxruntime", "torch", "torch_folded", "openvino")


def check_asked(runtime: str, threads: int, only: Sequence[str]) -> None:
    """InputError for a runtime not in ENGINES, an unknown experiment, and threads below 0 or beyond the cores."""
    if threads < 0:
        raise InputError(f"{counted(threads, 'thread')}: give at least 1, or 0 for all cores")
    check_threads(threads)
    for name in only:
        require_one_of(name, EXPERIMENTS, "experiment")
    if runtime in RUNTIMES and runtime not in ENGINES:
        raise InputError(f"guidelines do not take {runtime}: choose among {', '.join(ENGINES)}, which are soon ready")
    require_runtime(runtime)

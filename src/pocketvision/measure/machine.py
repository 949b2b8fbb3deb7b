"""On what a measurement was made. Without it a number in ms means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pocketvision.measure.caches import caches, frequency, timed_cpu
from pocketvision.measure.pin import pinned
from pocketvision.runtimes.cores import usable_cores

PACKAGES = (
    "pocketvision",
    "torch",
    "torchvision",
    "onnxruntime",
    "onnx",
    "numpy",
    "pillow",
    "safetensors",
    "accelerate",
    "openvino",
    "ai-edge-litert",
    "executorch",
    "ncnn",
    "MNN",
)

# Vector instructions that decide how fast a kernel can be, as /proc/cpuinfo spells them (x86, then Arm).
INSTRUCTIONS = (
    "avx2 fma f16c avx_vnni avx512f avx512_vnni avx512_bf16 amx_tile amx_int8 neon asimd asimddp i8mm bf16 sve"
)

# Who fixes the number of threads of numpy's BLAS: OpenBLAS, MKL, Accelerate, and OpenMP builds of any of them.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


def machine() -> dict[str, Any]:
    """CPU, usable cores, caches and memory (bytes), system, installed versions, load, clock (MHz), governor, time.

    Imports none of the libraries. What this system does not tell is None, of caches and clock it is missing.
    """
    cpuinfo = _cpuinfo()
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    return {
        "cpu": cpuinfo.get("model name") or _device_tree_model() or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "instructions": [name for name in INSTRUCTIONS.split() if name in flags],
        "cores": usable_cores(),
        "caches": caches(),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "frequency": frequency() or _megahertz(cpuinfo),
        "governor": _read(f"/sys/devices/system/cpu/cpu{timed_cpu()}/cpufreq/scaling_governor"),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def sgemm_gflops(threads: int = 1) -> float | None:
    """GFLOP/s that numpy's float32 matrix multiplication reaches on `threads` pinned CPUs (0: all usable cores).

    Measured by a second process that has this number of threads from its start; half a second. None where no second
    process can be started.
    """
    threads = threads or usable_cores()
    script = Path(__file__).with_name("sgemm.py")
    environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, str(threads))}
    # -P: the script's folder must not come before the standard library (it has a profile.py too).
    command = [sys.executable, "-P", str(script)]
    try:
        with pinned(threads):  # the child inherits the CPUs
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return float(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip("\0\n ") or None
    except OSError:
        return None


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty elsewhere."""
    lines = (_read("/proc/cpuinfo") or "").partition("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _megahertz(cpuinfo: dict[str, str]) -> dict[str, float]:
    """What /proc/cpuinfo says where no driver of the clock does, as in a virtual machine."""
    try:
        return {"now": float(cpuinfo["cpu MHz"])}
    except (KeyError, ValueError):
        return {}


def _device_tree_model() -> str | None:
    """`Raspberry Pi 5 Model B`: what small boards say instead of a CPU's name."""
    return _read("/proc/device-tree/model")


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no sysconf on Windows, no such name elsewhere
        return None

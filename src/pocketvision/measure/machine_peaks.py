"""What this machine can do at most, measured: arithmetic and memory. The ceilings of the roofline.

Each figure is measured in processes that have their number of threads from the start (a BLAS fixes it when it is
loaded), on pinned cores, and is the best of many short runs: other people's work lowers a peak, nothing raises it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pocketvision.data.builtin import cache_folder
from pocketvision.errors import InputError
from pocketvision.files import writable_folder, write_atomic
from pocketvision.measure.machine import BLAS_THREADS, machine, sgemm_gflops
from pocketvision.measure.pin import pinned
from pocketvision.progress import Steps

FORMAT_VERSION = 1
LARGEST_SET = 1 << 30  # bytes; a working set for the main memory is four times the last cache, but no larger
UNKNOWN_CACHE = 32 << 20  # bytes, taken for the last cache where the system does not say
FINGERPRINT = ("cpu", "architecture", "instructions", "cores", "caches")
LIBRARIES = ("numpy", "onnxruntime")
SOURCES = {
    "numpy": "numpy's float32 matrix product",
    "onnxruntime": "ONNX Runtime's float32 matrix product",
    "int8": "ONNX Runtime's uint8 x int8 matrix product (MatMulInteger)",
}


def measured_machine(threads: Sequence[int] = (), fresh: bool = False, show: bool = False) -> dict[str, Any]:
    """`machine()` and its `peaks`, which are measured once a machine (5 s) and then kept in the cache folder.

    `peaks` has an entry for each thread count in `threads` (none given: 1 and all usable cores) and those that were
    measured before: `{"1": {fma_gflops, fma_source, int8_gops, int8_source, bandwidth: {L2: {bytes, read, copy}, L3,
    DRAM}, time, load}}`, GB/s. `fma_gflops` and `int8_gops` are what matrix products reach, a few per cent below what
    the instructions could; `int8_gops`, `read` and `copy` may be None, and then `int8_source` or `reason` says why.
    `fresh` measures again.
    """
    here = machine()
    wanted = list(dict.fromkeys(threads or (1, here["cores"])))
    for count in wanted:
        if not 1 <= count <= here["cores"]:
            raise InputError(f"cannot measure {count} threads: this process may use {here['cores']} cores")
    path = cache_folder() / "machines" / f"{fingerprint(here)}.json"
    known = {} if fresh else _read(path)
    missing = [count for count in wanted if str(count) not in known]
    if missing:
        with Steps("measuring the machine", len(missing), show) as steps:
            for number, count in enumerate(missing, 1):
                known[str(count)] = _measure(count, here)
                steps.done(number, f"{count} thread{'s' if count > 1 else ''}")
        _keep(path, here, known)
    return {**here, "peaks": dict(sorted(known.items(), key=lambda item: int(item[0])))}


def fingerprint(here: dict[str, Any]) -> str:
    """A name for the kind of machine and what measures on it: equal where the peaks should be."""
    told = [here.get(key) for key in FINGERPRINT] + [here["versions"].get(name) for name in LIBRARIES]
    told.append(round((here["memory"] or 0) / 1e9))  # kernels keep a little more or less for themselves
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def working_sets(caches: dict[str, int], memory: int | None, threads: int) -> dict[str, int]:
    """Bytes for each of `threads` processes that lie in L2, in L3 and in no cache; what there is no room for misses."""
    level2, level3 = caches.get("L2"), caches.get("L3")
    last = level3 or level2 or UNKNOWN_CACHE
    largest = min(LARGEST_SET, (memory or 1 << 32) // 4) // threads
    sets: dict[str, int] = {}
    if level2:
        sets["L2"] = level2 // 2
    if level3 and level3 // 2 // threads > 2 * (level2 or 0):
        sets["L3"] = level3 // 2 // threads
    if largest * threads > 2 * last:
        sets["DRAM"] = min(largest, max(4 * last // threads, 64 << 20))
    return sets


def _measure(threads: int, here: dict[str, Any]) -> dict[str, Any]:
    """The entry of `peaks` for `threads` threads."""
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
    found = _run("peaks.py", threads, [str(threads)])
    found = json.loads(found[0]) if found else {}
    none = "no second process could be started"
    floats = {"numpy": sgemm_gflops(threads), "onnxruntime": found.get("float32", none)}
    reached = {name: value for name, value in floats.items() if isinstance(value, float)}
    best = max(reached, key=lambda name: reached[name], default=None)
    int8 = found.get("int8", none)
    return {
        "fma_gflops": reached[best] if best else None,
        "fma_source": SOURCES[best] if best else none,
        "int8_gops": int8 if isinstance(int8, float) else None,
        "int8_source": SOURCES["int8"] if isinstance(int8, float) else int8,
        "bandwidth": _bandwidth(threads, here),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": load,
    }


def _bandwidth(threads: int, here: dict[str, Any]) -> dict[str, dict[str, Any]]:
    sets = working_sets(here["caches"], here["memory"], threads)
    start = time.time() + 1.0  # after every process has loaded numpy and touched its memory
    lines = _run("bandwidth.py", 1, [json.dumps({"start": start, "sets": sets})], threads) if sets else []
    each = [json.loads(line) for line in lines]
    found: dict[str, dict[str, Any]] = {}
    for level in ("L2", "L3", "DRAM"):
        rates = {what: sum(rate[level][what] for rate in each) if level in sets and each else None
                 for what in ("read", "copy")}  # fmt: skip
        found[level] = {"bytes": sets.get(level), **rates}
        if rates["read"] is None:
            found[level]["reason"] = (
                "no second process could be started" if level in sets
                else "too little memory beyond the caches" if level == "DRAM"
                else f"the system does not tell of an {level} that has room for {threads} working sets"
            )  # fmt: skip
    return found


def _run(script: str, threads: int, arguments: list[str], processes: int = 1) -> list[str]:
    """Standard output of `processes` processes at the same time, each with `threads` threads; [] if one fails."""
    environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, str(threads))}
    # -P: the script's folder must not come before the standard library (it has a profile.py too).
    command = [sys.executable, "-P", str(Path(__file__).with_name(script)), *arguments]
    started: list[subprocess.Popen[str]] = []
    try:
        with pinned(max(threads, processes)):  # the children inherit the CPUs
            for _ in range(processes):
                started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        answers = [process.communicate(timeout=60)[0] for process in started]
    except (OSError, subprocess.SubprocessError):
        answers = []
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
    return answers if answers and all(process.returncode == 0 for process in started) else []


def _read(path: Path) -> dict[str, Any]:
    """What was measured before; empty where nothing is there, or something else."""
    try:
        found = json.loads(path.read_text())
        return dict(found["peaks"]) if found["format_version"] == FORMAT_VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _keep(path: Path, here: dict[str, Any], known: dict[str, Any]) -> None:
    """In the cache if it can be written; a measurement that cannot be kept is still an answer."""
    try:
        writable_folder(path.parent)
        kept = {"format_version": FORMAT_VERSION, "machine": here, "peaks": known}
        write_atomic(path, json.dumps(kept, indent=1))
    except InputError:
        return

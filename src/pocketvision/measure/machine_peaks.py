"""What this machine can do at most, measured: arithmetic and memory. The ceilings of the roofline.

Each figure is measured in processes that have their number of threads from the start (a BLAS fixes it when it is
loaded), on pinned cores, and is the best of many short runs (of memory, in memory_rates.py, of many moments
that all processes share): other people's work lowers a peak, nothing raises it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pocketvision.data.builtin import cache_folder
from pocketvision.errors import InputError
from pocketvision.files import writable_folder, write_atomic
from pocketvision.measure.machine import BLAS_THREADS, machine, sgemm_gflops
from pocketvision.measure.memory_rates import NO_PROCESS, bandwidth
from pocketvision.measure.pin import pinned
from pocketvision.measure.watch import BUSY, busy_cores
from pocketvision.progress import Steps
from pocketvision.runtimes.cores import check_threads
from pocketvision.units import counted

FORMAT_VERSION = 2
EXCEEDED = 1.03  # times the peak: what is seen to do more casts doubt on it
FINGERPRINT = ("cpu", "architecture", "instructions", "cores", "caches")
LIBRARIES = ("numpy", "onnxruntime")
SOURCES = {
    "numpy": "numpy's float32 matrix product",
    "onnxruntime": "ONNX Runtime's float32 matrix product",
    "int8": "ONNX Runtime's uint8 x int8 matrix product (MatMulInteger)",
}


def measured_machine(threads: Sequence[int] = (), fresh: bool = False, show: bool = False) -> dict[str, Any]:
    """`machine()` with its peaks on each of `threads` threads (none given: 1 and all usable cores); see `with_peaks`.

    InputError for no thread and for more than there are usable cores.
    """
    here = machine()
    wanted = list(dict.fromkeys(threads or (1, here["cores"])))
    for count in wanted:
        if count < 1:
            raise InputError(f"cannot measure {count} threads: give at least 1")
        check_threads(count, here["cores"])
    return with_peaks(here, wanted, fresh, show)


def with_peaks(
    here: Mapping[str, Any],
    threads: Sequence[int],
    fresh: bool = False,
    show: bool = False,
    reached: Mapping[int, float] | None = None,
) -> dict[str, Any]:
    """`here`, which `machine()` said before a measurement, with the `peaks` of this machine; what a measurement saves.

    The peaks are measured once a machine (3 s for each of `threads`) and then kept in the cache folder. `peaks` has an
    entry for each thread count in `threads` (0 and more than there are cores: all cores) and for those that were
    measured before: `{"1": {fma_gflops, fma_source, int8_gops, int8_source, bandwidth: {L2: {bytes, room, read, copy},
    L3, DRAM}, time, load, busy_cores, reached}}`, GB/s. `fma_gflops` and `int8_gops` are what matrix products reach, a
    few per cent below what the instructions could; `int8_gops`, `read` and `copy` may be None, and then `int8_source`
    or `reason` says why; `room` is what the threads have of a cache together.

    They are measured again with `fresh`; on a calm machine if other programs were busy when they were measured; and if
    something has `reached` more GFLOP/s on so many threads, once for each such record. Unless `fresh`, the better of
    both counts: other people's work lowers a peak, nothing raises it.
    """
    path = cache_folder() / "machines" / f"{fingerprint(here)}.json"
    known = {} if fresh else _read(path)
    records = {_possible(count, here): gflops for count, gflops in (reached or {}).items()}
    wanted = list(dict.fromkeys(_possible(count, here) for count in threads))

    def doubted(busy: float | None) -> list[int]:
        return [n for n in wanted if _is_doubtful(known.get(str(n)), busy, records.get(n, 0.0))]

    busy = busy_cores() if doubted(busy=0.0) else None  # a look takes 0.3 s: not where all is known
    missing = doubted(busy)
    if missing:
        with Steps("measuring the machine", len(missing), show) as steps:
            for number, count in enumerate(missing, 1):
                found = _measure(count, here) | {"busy_cores": busy, "reached": records.get(count)}
                known[str(count)] = _better(known.get(str(count)), found)
                steps.done(number, counted(count, "thread"))
        _keep(path, here, known)
    return {**here, "peaks": dict(sorted(known.items(), key=lambda item: int(item[0])))}


def float32_peak(threads: int, reached: float = 0.0) -> float | None:
    """GFLOP/s of float32 on `threads` threads (0 and more than there are cores: all cores); the cached peak.

    Every "fraction of peak" is of this number. `reached`: what something has been seen to do; see `with_peaks`.
    """
    here = machine()
    peaks = with_peaks(here, [threads], reached={threads: reached})["peaks"]
    peak: float | None = peaks[str(_possible(threads, here))]["fma_gflops"]
    return peak


def _possible(threads: int, here: Mapping[str, Any]) -> int:
    cores: int = here["cores"]
    return threads if 0 < threads <= cores else cores


def _is_doubtful(entry: Mapping[str, Any] | None, busy: float | None, reached: float) -> bool:
    """Should this entry of `peaks` be measured, or measured again now that others keep `busy` cores?"""
    if entry is None:
        return True
    if (entry.get("busy_cores") or 0.0) > BUSY >= (busy or 0.0):
        return True
    return reached > EXCEEDED * max(entry["fma_gflops"] or 0.0, entry.get("reached") or 0.0)


def _better(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `now` with each figure of `before` that is higher."""
    found = dict(now)
    if before is None:
        return found
    for figure, source in (("fma_gflops", "fma_source"), ("int8_gops", "int8_source")):
        if (before[figure] or 0.0) > (now[figure] or 0.0):
            found |= {figure: before[figure], source: before[source]}
    found["reached"] = max(before.get("reached") or 0.0, now.get("reached") or 0.0) or None
    found["bandwidth"] = {}
    for level, rates in now["bandwidth"].items():
        kept, higher = before["bandwidth"][level], dict(rates)
        for what in ("read", "copy"):
            if kept["bytes"] == rates["bytes"]:
                higher[what] = max(kept[what] or 0.0, rates[what] or 0.0) or None
        if higher["read"] is not None:
            higher.pop("reason", None)
        found["bandwidth"][level] = higher
    return found


def fingerprint(here: Mapping[str, Any]) -> str:
    """A name for the kind of machine and what measures on it: equal where the peaks should be."""
    told = [here.get(key) for key in FINGERPRINT] + [here["versions"].get(name) for name in LIBRARIES]
    told.append(round((here["memory"] or 0) / 1e9))  # kernels keep a little more or less for themselves
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _measure(threads: int, here: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of `peaks` for `threads` threads, but for what the machine was doing."""
    load = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
    found = _products(threads)
    floats = {"numpy": sgemm_gflops(threads), "onnxruntime": found["float32"]}
    reached = {name: value for name, value in floats.items() if isinstance(value, float)}
    best = max(reached, key=lambda name: reached[name], default=None)
    int8 = found["int8"]
    return {
        "fma_gflops": reached[best] if best else None,
        "fma_source": SOURCES[best] if best else NO_PROCESS,
        "int8_gops": int8 if isinstance(int8, float) else None,
        "int8_source": SOURCES["int8"] if isinstance(int8, float) else int8,
        "bandwidth": bandwidth(threads, here["memory"]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": load,
    }


def _products(threads: int) -> dict[str, float | str]:
    """`{float32, int8}` of ONNX Runtime, each a number or the reason why there is none."""
    environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, str(threads))}
    # -P: the script's folder must not come before the standard library (it has a profile.py too).
    command = [sys.executable, "-P", str(Path(__file__).with_name("peaks.py")), str(threads)]
    try:
        with pinned(threads):  # the child inherits the CPUs
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return dict(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return dict.fromkeys(("float32", "int8"), NO_PROCESS)


def _read(path: Path) -> dict[str, Any]:
    """What was measured before; empty where nothing is there, or something else."""
    try:
        found = json.loads(path.read_text())
        return dict(found["peaks"]) if found["format_version"] == FORMAT_VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _keep(path: Path, here: Mapping[str, Any], known: dict[str, Any]) -> None:
    """In the cache if it can be written; a measurement that cannot be kept is still an answer."""
    try:
        writable_folder(path.parent)
        kept = {"format_version": FORMAT_VERSION, "machine": here, "peaks": known}
        write_atomic(path, json.dumps(kept, indent=1))
    except InputError:
        return

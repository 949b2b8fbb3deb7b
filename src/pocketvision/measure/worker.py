"""The process in which networks are timed: one for each runtime and thread count, told what to do line by line.

`python -m pocketvision.measure.worker` reads one JSON object a line and answers each with one line:

    {"do": "open", "runtime", "path", "threads", "batch", "seed", "cpus"?} -> {"id", "runtime", "threads", "load_ms",
                           "version", "params", "macs", "answer": N x classes, "memory_bytes", "peak_bytes", "cpus"}
    {"do": "open_clocked", "runtime", "path", "threads", "seed", "cpus"?} -> {"id", "cpus"}   notes the time of each row
    {"do": "warm", "id", "seconds", "turn"} -> {}                    run it warm; a turn will last `turn` seconds
    {"do": "turn", "id"} -> {"calls": [[wall, waited, serial], ...], "cpus_used", "cpu_seconds"}   one uncounted call,
                           then at least 3, as `calls.TimedCall`
    {"do": "rows", "id", "rounds"}          -> {"rows": [[part, ms, low_ms, high_ms, nodes], ...]}   in its last turns
    {"do": "runtimes"}                      -> {"runtimes": [...]}   that are installed
    {"do": "convert", "runtime", "path", "to", "macs"} -> {"path"}   from model.safetensors, or from our ONNX file
    {"do": "machine", "threads"?: [...]} -> {"machine"}   with its peaks on these numbers of threads, if any are given
    {"do": "peak", "threads", "reached"?} -> {"gflops"}   in float32; see `machine_peaks.float32_peak`
    {"do": "conditions"} -> {...}
    {"do": "close"}   -> {}              and the process ends, as it does when its input ends

What cannot be done is answered with {"error": one sentence}. Nothing here imports PyTorch unless a runtime does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pocketvision.errors import InputError
from pocketvision.measure import memory, watch
from pocketvision.measure.calls import CallTimer, TimedCall
from pocketvision.measure.latency import no_garbage_collection, one_turn, warm_up
from pocketvision.measure.machine import machine
from pocketvision.measure.machine_peaks import float32_peak, with_peaks
from pocketvision.measure.pin import pinned
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.rowtimes import Clocked, open_clocked, row_times
from pocketvision.runtimes import Runnable, get_runtime, installed_runtimes
from pocketvision.units import counted

Request = dict[str, Any]
Reply = dict[str, Any]
QUIET_LIMIT = 0.05  # s: at most this long after a turn for helper threads to fall asleep


@dataclass
class _Opened:
    run: Callable[[], object]
    timer: CallTimer
    repetitions: int = 3
    turns: list[list[TimedCall]] = field(default_factory=list)
    clocked: Clocked | None = None


class Worker:
    """Answers requests. In a process of its own by `main`, or inside the process that measures."""

    def __init__(self) -> None:
        self.opened: list[_Opened] = []
        self.threads = 0
        self.cpus: list[int] = []
        self.stack = ExitStack()
        self.actions: dict[str, Callable[..., Reply]] = {
            "open": self._open,
            "open_clocked": self._open_clocked,
            "warm": self._warm,
            "turn": self._turn,
            "rows": self._rows,
            "runtimes": self._runtimes,
            "convert": self._convert,
            "machine": self._machine,
            "peak": self._peak,
            "conditions": self._conditions,
            "close": self._close,
        }

    def handle(self, request: Request) -> Reply:
        """One request, one answer; see the top of this file. InputError for what cannot be done."""
        action = self.actions.get(str(request.get("do")))
        if action is None:
            raise InputError(f"a worker cannot {request.get('do')!r}: both sides must have the same pocketvision")
        reply: Reply = action(**{key: value for key, value in request.items() if key != "do"})
        return reply

    def _open(
        self, runtime: str, path: Any, threads: int, batch: int = 1, seed: int = 0, cpus: list[int] | None = None
    ) -> Reply:
        module = get_runtime(runtime)
        self._settle_on(threads, cpus)
        memory.forget()
        before, started = memory.resident(), time.perf_counter()
        runnable: Runnable = module.load(_source(path, runtime), threads)
        pixels = random_pixels(runnable.preprocessing, batch, seed)
        answer = runnable.run(pixels)
        load_ms = (time.perf_counter() - started) * 1e3
        grown = {"memory_bytes": _minus(memory.resident(), before), "peak_bytes": _minus(memory.peak(), before)}
        self.opened.append(_Opened(partial(runnable.run, pixels), CallTimer(runnable.threads)))
        info = getattr(runnable, "info", {})
        return {
            "id": len(self.opened) - 1,
            "runtime": runnable.runtime,
            "threads": runnable.threads,
            "load_ms": load_ms,
            "version": runnable.version,
            "params": info.get("params"),
            "macs": info.get("macs"),
            "answer": answer.tolist(),
            "cpus": self.cpus,
            **grown,
        }

    def _open_clocked(
        self, runtime: str, path: Any, threads: int, seed: int = 0, cpus: list[int] | None = None
    ) -> Reply:
        self._settle_on(threads, cpus)
        clocked = open_clocked(_source(path, runtime), runtime, threads, seed)
        self.opened.append(_Opened(clocked.run, CallTimer(threads), clocked=clocked))
        return {"id": len(self.opened) - 1, "cpus": self.cpus}

    def _rows(self, id: int, rounds: int) -> Reply:
        opened = self.opened[id]
        assert opened.clocked is not None
        found = row_times(opened.clocked, opened.turns[-rounds:])
        return {"rows": [[part, time.ms, time.low_ms, time.high_ms, time.nodes] for part, time in found.items()]}

    def _settle_on(self, threads: int, cpus: list[int] | None) -> None:
        """Pin this process for its life: engines start their threads where it is."""
        if self.threads:
            if threads != self.threads:
                message = (
                    f"this worker runs {counted(self.threads, 'thread')}, not {threads}: one process per thread count"
                )
                raise InputError(message)
            return
        self.threads = threads
        if cpus and hasattr(os, "sched_setaffinity"):
            self.stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            os.sched_setaffinity(0, cpus)
            self.cpus = cpus
        else:
            self.cpus = list(self.stack.enter_context(pinned(threads)))

    def _warm(self, id: int, seconds: float, turn: float = 0.005) -> Reply:
        self._calm()
        opened = self.opened[id]
        opened.repetitions = warm_up(opened.run, seconds, turn, opened.timer)
        return {}

    def _turn(self, id: int) -> Reply:
        opened = self.opened[id]
        cpu, wall = time.process_time(), time.perf_counter()
        calls = one_turn(opened.run, opened.repetitions, opened.timer)
        opened.turns.append(calls)
        cpus_used = (time.process_time() - cpu) / (time.perf_counter() - wall)
        if self.threads > 1:
            _wait_until_quiet()
        return {"calls": calls, "cpus_used": cpus_used, "cpu_seconds": time.process_time() - cpu}

    def _runtimes(self) -> Reply:
        return {"runtimes": installed_runtimes()}

    def _convert(self, runtime: str, path: str, to: str, macs: int | None = None) -> Reply:
        module = get_runtime(runtime)
        if Path(path).suffix == ".onnx":
            return {"path": str(module.convert_onnx(path, to))}
        from pocketvision.measure import netfile

        return {"path": str(module.convert(netfile.load(path), to, macs))}

    def _machine(self, threads: Sequence[int] = ()) -> Reply:
        here = machine()
        return {"machine": with_peaks(here, threads) if threads else here}

    def _peak(self, threads: int, reached: float = 0.0) -> Reply:
        return {"gflops": float32_peak(threads, reached)}

    def _conditions(self) -> Reply:
        return watch.conditions()

    def _close(self) -> Reply:
        for opened in self.opened:
            opened.run, opened.clocked = _nothing, None
        self.stack.close()
        self.threads = 0
        return {}

    def _calm(self) -> None:
        """No garbage collection from here to the end."""
        if not getattr(self, "_no_collection", False):
            self._no_collection = True
            self.stack.enter_context(no_garbage_collection())
            self.stack.callback(setattr, self, "_no_collection", False)


def main() -> None:
    """Serve standard input until it ends. What engines print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        try:
            request = json.loads(line)
            reply = worker.handle(request)
        except InputError as error:
            request, reply = {}, {"error": str(error)}
        except Exception as error:  # an engine may raise anything: the other networks go on
            request, reply = {}, {"error": in_a_line(error)}
        print(json.dumps(reply), file=answers)
        if request.get("do") == "close":
            break
    # Without the engines' own good-byes, some of which crash: nothing is left to do.
    answers.flush()
    os._exit(0)


def in_a_line(error: Exception) -> str:
    """`RuntimeError: what it said`, on one line and not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _source(path: Any, runtime: str) -> Any:
    """PyTorch's runtimes take a Network, in person or from its file; the others take their file."""
    if runtime.partition("_")[0] != "torch" or not isinstance(path, str | Path):
        return path
    from pocketvision.measure import netfile

    return netfile.load(path)


def _nothing() -> None:
    raise InputError("this worker was closed")


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else max(0, after - before)


def _wait_until_quiet() -> None:
    """Helper threads spin for a while before they sleep: they must not do so in somebody else's turn."""
    end = time.perf_counter() + QUIET_LIMIT
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(0.002)
        if time.process_time() - before < 0.0005:
            return


if __name__ == "__main__":
    main()

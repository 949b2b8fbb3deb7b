"""Networks against each other, and runtimes against each other, in one interleaved measurement."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pocketvision.arguments import as_annotated
from pocketvision.errors import InputError
from pocketvision.measure import watch
from pocketvision.measure.calls import TimedCall
from pocketvision.measure.device import Device, open_device
from pocketvision.measure.entries import (
    FILES,
    Entry,
    Model,
    file_entries,
    file_of,
    named,
    network_entries,
    own_runtime,
)
from pocketvision.measure.outcome import Measured, reached, rows
from pocketvision.measure.pixels import random_pixels
from pocketvision.measure.turns import take_turns
from pocketvision.measure.workers import Workers, may_share
from pocketvision.progress import Steps, say
from pocketvision.runtimes import RUNTIMES, get_runtime
from pocketvision.runtimes.cores import usable_cores

__all__ = ["Model", "bench", "bench_report", "named", "random_pixels"]

WARMUP = 0.05  # s for each of many
# In all, at least: a processor that was idle, or is shared with other virtual machines, may be slow for a second.
WAKING = 1.0
USUAL = "onnxruntime"  # for networks, unless another runtime is named


@as_annotated("models", "runtime", "threads", "batch", "device")
def bench(
    models: Model | Iterable[Model] | Mapping[str, Model],
    runtime: str | Sequence[str] | None = None,
    threads: int | Sequence[int] = 1,
    batch: int | Sequence[int] = 1,
    rounds: int = 15,
    seconds: float = 0.005,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
    device: Device | str | None = None,
    python: str | Path | None = None,
    keep: str | Path | None = None,
    show: bool = False,
) -> list[dict[str, Any]]:
    """Time Networks and exported files (paths, or loaded) in turn: models x runtimes x threads x batches.

    `threads` 0 means all cores. `runtime` is a name in RUNTIMES, several, or "all" that are installed; None is ONNX
    Runtime. With None and "all", an exported file runs in its own; where runtimes are named, in those of them that can
    run it. Networks are exported to a temporary folder first, or to `keep`, where a second measurement finds them;
    those that were never trained with sane BatchNorm statistics. A mapping names the models. `device` is another
    machine (`ssh://user@host`); `python` is an interpreter of this machine for the runtimes that this one lacks. Each
    runtime and thread count is one process, unless one thread count of ONNX Runtime and PyTorch is all that is asked
    for. For `rounds`, `seconds`, `narrow`, `limit` and `seed` see `time_interleaved`.

    One dict for each of them: `{model, runtime, threads, batch, precision, median_ms, p10_ms, p90_ms, low_ms, high_ms,
    rounds, calls, wall_ms, disturbed, least_ms, most_ms, reliable, ratio_to_fastest, ratio_low, ratio_high, tied,
    fraction_of_peak, max_error, wrong, version, params, macs, load_ms, memory_bytes, peak_bytes, cpus_used, device,
    error}`; see `pocketvision.measure.outcome.rows`.
    InputError for no models, no or an unknown runtime, a file that none of the named runtimes can run or that its own
    cannot open, and when nothing can be timed.
    """
    options: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "narrow": narrow, "limit": limit, "seed": seed}
    return bench_report(models, runtime, threads, batch, device=device, python=python, keep=keep, show=show, **options)[
        "results"
    ]


def bench_report(
    models: Model | Iterable[Model] | Mapping[str, Model],
    runtime: str | Sequence[str] | None = None,
    threads: int | Sequence[int] = 1,
    batch: int | Sequence[int] = 1,
    rounds: int = 15,
    seconds: float = 0.005,
    narrow: float = 0.0,
    limit: float = 60.0,
    seed: int = 0,
    device: Device | str | None = None,
    python: str | Path | None = None,
    keep: str | Path | None = None,
    show: bool = False,
) -> dict[str, Any]:
    """What `bench` returns, and on what it was measured.

    `{results, warnings, machine, load: {before, during, after}, sgemm_gflops, time}`. `warnings` are sentences that
    doubt the measurement; `machine` is from the very beginning, `load` from around the timing; `sgemm_gflops` is what
    the better of numpy's and ONNX Runtime's float32 matrix products reaches (`machine_peaks.float32_peak`) by thread
    count, or one number for one thread count.
    """
    thread_counts = [count or usable_cores() for count in _numbers(threads, 0, "{} threads")]
    batches = _numbers(batch, 1, "a batch of {}")
    own = runtime is None or runtime == "all"  # an exported file runs in the runtime that it is made for
    asked = [USUAL] if runtime is None else [runtime] if isinstance(runtime, str) else list(runtime)
    everyone = named(models)
    with ExitStack() as stack:
        remote = open_device(device) if device is not None else None
        workers = stack.enter_context(Workers(remote, python))
        runtimes = _installed(workers) if runtime == "all" else list(dict.fromkeys(asked))
        if not runtimes:
            raise _no_runtime(workers, runtime == "all")
        folder = Path(keep) if keep else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pocketvision-")))
        used = _used(everyone, runtimes, own)
        for name in used:
            workers.choose(name)
        inline = may_share(used, thread_counts, workers)
        machine = workers.service().ask("machine")["machine"]
        # Whatever runs PyTorch comes before the pin: a thread pool that it starts would stay on the pinned cores.
        entries: list[Entry] = []
        with Steps("exporting", len(everyone), show) as steps:
            for name, model in everyone.items():
                if isinstance(model, FILES):
                    entries += file_entries(
                        name, file_of(model), None if own else runtimes, workers, folder, batches, seed
                    )
                else:
                    entries += network_entries(name, model, runtimes, workers, folder, batches, seed, inline)
                steps.done(len({entry.model for entry in entries}), name)
        workers.end_converters()  # they hold half a gigabyte each, beside what is timed
        if not all(isinstance(model, FILES) for model in everyone.values()):
            from pocketvision.runtimes.torch import thread_count

            # opening a network in PyTorch sets the number of threads: undone at the end
            stack.enter_context(thread_count(0))
        found = [Measured(entry, count, size) for entry in entries for count in thread_counts for size in batches]
        _open(found, workers, seed, inline, seconds, show)
        load = _time(found, {"rounds": rounds, "narrow": narrow, "limit": limit, "seed": seed}, workers, inline, show)
        workers.release()
        service = workers.service()
        peaks = {
            count: service.ask("peak", threads=count, reached=reached(found, count))["gflops"]
            for count in thread_counts
        }
        machine["peaks"] = service.ask("machine", threads=thread_counts)["machine"]["peaks"]
        results = rows(found, peaks, workers.remote.name if workers.remote else None)
    if all(row["error"] for row in results):
        raise InputError(results[0]["error"])
    return {
        "results": results,
        "warnings": watch.warnings(load, results, machine["cores"]),
        "machine": machine,
        "load": load,
        "sgemm_gflops": peaks[thread_counts[0]] if len(peaks) == 1 else peaks,
        "time": machine["time"],
    }


def _open(found: list[Measured], workers: Workers, seed: int, inline: bool, seconds: float, show: bool) -> None:
    """Open and warm up everything; what cannot be opened keeps the reason. Alone, it is the user's to know at once."""
    warmup = max(WARMUP, WAKING / max(1, len(found)))
    with Steps("opening", len(found), show) as steps:
        for number, one in enumerate(found):
            entry = one.entry
            if one.error is None:
                steps.done(number, f"{entry.model} in {entry.runtime}")
                try:
                    one.opened = workers.open(entry.runtime, entry.source, one.threads, one.batch, seed, inline)
                    one.client = workers.runtime_client(entry.runtime, one.threads, inline)
                    one.check()
                    one.client.ask("warm", id=one.opened["id"], seconds=warmup, turn=seconds)
                except InputError as error:
                    if len({other.entry.runtime for other in found}) == 1:
                        raise
                    one.error = str(error)
            if one.error is not None and show:
                say(f"{entry.model} in {entry.runtime}: {one.error}")


def _time(
    found: list[Measured], options: dict[str, Any], workers: Workers, inline: bool, show: bool
) -> dict[str, dict[str, Any]]:
    """Time everything that can be; `{before, during, after}`: how busy and how fast the machine was."""
    turns = {number: one.turn for number, one in enumerate(found) if one.error is None and not one.wrong}
    service = workers.service()
    started, cpu = time.monotonic(), time.process_time()
    before = service.ask("conditions")
    taken: dict[int, list[list[TimedCall]]] = {}
    failed: dict[int, str] = {}
    if turns:
        least = options["rounds"]
        with Steps("timing", least, show) as steps:
            # How many more rounds a narrow interval takes nobody knows: the bar is not full before the end.
            taken, failed = take_turns(turns, **options, done=lambda done: steps.done(done, total=max(least, done + 1)))
    # On this machine our own process works too; inside it, the turns are part of that.
    own = time.process_time() - cpu if workers.remote is None else 0.0
    own += 0.0 if inline else sum(one.cpu_seconds for one in found)
    seconds = time.monotonic() - started
    after = service.ask("conditions")
    for number, rounds in taken.items():
        found[number].taken = rounds
    for number, reason in failed.items():
        found[number].error = reason
    return {
        "before": before,
        "during": {"busy_cores": watch.busy_between(before, after, seconds, own)},
        "after": after,
    }


def _installed(workers: Workers) -> list[str]:
    """The runtimes that can be used where the networks will run."""
    found = []
    if workers.other is not None:
        workers.runtimes_of(workers.other)  # an interpreter that cannot be used is worth a word, not an empty list
    for name in RUNTIMES:
        try:
            workers.choose(name)
        except InputError:
            continue
        found.append(name)
    return found


def _no_runtime(workers: Workers, every: bool) -> InputError:
    if not every:
        return InputError(f"no runtime is named to time in: give one or more of {', '.join(RUNTIMES)}, or all")
    where = workers.remote.name if workers.remote else "this machine"
    return InputError(f"no runtime is installed on {where}: install one there, such as {USUAL}")


def _used(everyone: Mapping[str, Model], runtimes: list[str], own: bool) -> list[str]:
    """The runtimes that will run; `own`: an exported file brings its own."""
    for name in runtimes:
        if name not in RUNTIMES:
            get_runtime(name)
    only_files = all(isinstance(model, FILES) for model in everyone.values())
    used = [] if only_files and own else list(runtimes)
    for model in everyone.values():
        if isinstance(model, FILES) and own:
            used.append(own_runtime(file_of(model)))
    return list(dict.fromkeys(used))


def _numbers(value: int | Sequence[int], least: int, what: str) -> list[int]:
    numbers = [value] if isinstance(value, int) else list(dict.fromkeys(value))
    if not numbers or min(numbers) < least:
        asked = ", ".join(map(str, numbers)) or "no number"
        raise InputError(f"cannot time {what.format(asked)}: give at least 0 threads (all cores) and a batch of 1")
    return numbers

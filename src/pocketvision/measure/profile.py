"""Where a network's parameters, multiply-adds and milliseconds are: by row of its table and by kind of operation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketvision.arguments import as_annotated
from pocketvision.errors import InputError
from pocketvision.measure.count import Amount, Costs, count
from pocketvision.measure.kinds import AFTER, BEFORE, TIME_KINDS
from pocketvision.measure.machine import machine
from pocketvision.measure.settle import settled
from pocketvision.measure.spent import Spent, total
from pocketvision.measure.training import TrainingMemory, count_training
from pocketvision.network import Network, require_network
from pocketvision.runtimes.cores import check_threads, usable_cores
from pocketvision.units import counted, percent
from pocketvision.validation import require_profiled

FAR = 0.1  # a gap beyond this deserves a note


@as_annotated("net")
def profile(
    net: Network,
    rounds: int = 15,
    runtime: str = "torch",
    threads: int = 1,
    exported: str | Path | None = None,
) -> dict[str, Any]:
    """Costs counted, and times measured in `runtime` on `threads` threads (0: all cores), one image.

    `exported` is the network's own ONNX file, to look into it instead of a fresh one (in onnxruntime).

    `{model, params, macs, mac_bytes, activations, peak_activation_bytes, training_bytes, training_batch_bytes, ms,
    ms_interval, sum_ms, between_ms, gap, outside: {input, output}, squeeze_excite: {ms, share_ms}, runtime, version,
    threads, how, overhead_us, notes, machine, rows: [{row, kind, input, output, params, macs, mac_bytes, activations,
    training_bytes, ms, share_ms, operations}], kinds: {pointwise: {params, macs, mac_bytes, activations, ms,
    share_params, share_macs, share_ms}, depthwise: ...}}`.

    `ms` is the whole call, by the one timing function and without a profile. `sum_ms` are the rows and what is
    `outside` of them (pixels to floats; logits to probabilities), `between_ms` what remains of the whole (below 0: the
    parts took longer than the whole), `gap` that remainder as a fraction of it; `notes` are sentences about what makes
    them doubtful. The `share_ms` of a row and of squeeze-and-excite is of `sum_ms`, a kind's of the rows together. The
    kinds "shuffle" and "layout" have times only. `training_bytes` is what each image of a batch adds to the memory that
    training keeps, `training_batch_bytes` what the batch adds once. InputError for another runtime.
    """
    require_profiled(runtime)
    if rounds < 1:
        raise InputError(f"{rounds} rounds: give 1 or more")
    if threads < 0:
        raise InputError(f"cannot profile {threads} threads: give at least 0 (all cores)")
    require_network(net, "profile")
    check_threads(threads)
    threads = threads or usable_cores()
    costs, memory = count(net), count_training(net)
    here = machine()  # its load before we add to it
    spent = _spend(net, threads, rounds, runtime, exported)
    whole_ms = spent.whole.median_ms
    by_kind = spent.by_kind()
    in_rows = sum(by_kind.values())
    excited = total(operation for operation in spent.operations if operation.squeeze)
    return {
        "model": net.spec.name,
        "params": costs.params,
        "macs": costs.macs,
        "mac_bytes": costs.mac_bytes,
        "activations": costs.activations,
        "peak_activation_bytes": costs.peak_activation_bytes,
        "training_bytes": memory.image_bytes,
        "training_batch_bytes": memory.batch_bytes,
        "ms": whole_ms,
        "ms_interval": [spent.whole.low_ms, spent.whole.high_ms],
        "sum_ms": spent.sum_ms,
        "between_ms": spent.between_ms,
        "gap": spent.between_ms / whole_ms,
        "outside": {where: total(spent.of_row(where)) for where in (BEFORE, AFTER)},
        "squeeze_excite": {"ms": excited, "share_ms": excited / spent.sum_ms},
        "runtime": runtime,
        "version": spent.version,
        "threads": threads,
        "how": spent.how,
        "overhead_us": spent.overhead_ms * 1e3,
        "notes": notes(spent, here),
        "machine": here,
        "rows": [_row(costs, memory, spent, number) for number in range(len(costs.rows))],
        "kinds": {kind: _kind(costs, kind, ms, in_rows) for kind, ms in by_kind.items()},
    }


def _spend(net: Network, threads: int, rounds: int, runtime: str, exported: str | Path | None) -> Spent:
    if runtime == "torch":
        from pocketvision.measure import profile_torch

        if exported is not None:
            raise InputError(f"PyTorch cannot look into {exported}: profile it in onnxruntime")
        return profile_torch.spend(settled(net), threads, rounds)
    from pocketvision.measure import profile_onnxruntime

    return profile_onnxruntime.spend(settled(net) if exported is None else net, threads, rounds, exported)


def notes(spent: Spent, here: dict[str, Any]) -> list[str]:
    """Why whole and parts may not be believed; nothing for a calm measurement whose parts add up."""
    said = []
    gap = spent.between_ms / spent.whole.median_ms
    if abs(gap) > FAR:
        said.append(
            f"the rows with input and output take {spent.sum_ms:.3g} ms, the whole network {spent.whole.median_ms:.3g} "
            f"ms: {percent(abs(gap), 0)} apart"
        )
    load = (here["load"] or [0.0])[0]
    if load > here["cores"] / 2:
        said.append(
            f"the machine was busy (load {load:.1f} on {counted(here['cores'], 'core')}): the parts were timed in "
            "other "
            "calls than the whole; measure again when it is idle"
        )
    return said


def _row(costs: Costs, memory: TrainingMemory, spent: Spent, number: int) -> dict[str, Any]:
    row = costs.rows[number]
    operations = spent.of_row(row.row)
    ms = total(operations)
    return {
        "row": row.row,
        "kind": row.kind,
        "input": list(row.input),
        "output": list(row.output),
        "params": row.params,
        "macs": row.macs,
        "mac_bytes": row.mac_bytes,
        "activations": row.activations,
        "training_bytes": memory.row_bytes[number],
        "ms": ms,
        "share_ms": ms / spent.sum_ms,
        "operations": [operation.to_json() for operation in operations],
    }


def _kind(costs: Costs, kind: str, ms: float, in_rows: float) -> dict[str, Any]:
    assert kind in TIME_KINDS
    amount = costs.kinds.get(kind, Amount())
    return {
        "params": amount.params,
        "macs": amount.macs,
        "mac_bytes": amount.mac_bytes,
        "activations": amount.activations,
        "ms": ms,
        "share_params": amount.params / max(1, costs.params),
        "share_macs": amount.macs / max(1, costs.macs),
        "share_ms": ms / max(1e-12, in_rows),
    }

"""The machine in words: what it is, and the peaks that were measured on it. [core]"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocketvision.units import noun

from . import text

# Vector instructions as Linux spells them: what a person calls them.
UNITS = {
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "half floats (F16C)",
    "avx_vnni": "int8 dot products (AVX-VNNI)",
    "avx512f": "AVX-512",
    "avx512_vnni": "int8 dot products (AVX-512 VNNI)",
    "avx512_bf16": "bfloat16 (AVX-512)",
    "amx_tile": "AMX",
    "amx_int8": "AMX int8",
    "neon": "NEON",
    "asimd": "NEON",
    "asimddp": "int8 dot products (dotprod)",
    "i8mm": "int8 matrices (i8mm)",
    "bf16": "bfloat16",
    "sve": "SVE",
}


def facts(machine: Mapping[str, Any]) -> list[dict[str, str]]:
    """`[{what, is}]`: what the machine is, one line each; what is not known is left out."""
    caches = machine.get("caches") or {}
    clock = machine.get("frequency") or {}
    told: dict[str, Any] = {
        "CPU": machine.get("cpu"),
        "cores": f"{machine['cores']} usable" if machine.get("cores") else None,
        "architecture": machine.get("architecture"),
        "vector units": ", ".join(UNITS.get(name, name) for name in machine.get("instructions") or []),
        "caches": ", ".join(f"{name} {binary(size)}" for name, size in caches.items()),
        "memory": binary(machine.get("memory")) if machine.get("memory") else None,
        "clock": ", ".join(f"{key} {value:.0f} MHz" for key, value in clock.items()),
        "governor": machine.get("governor"),
        "load": text.plain([round(load, 2) for load in machine.get("load") or []]) if machine.get("load") else None,
        "system": machine.get("system"),
        "Python": machine.get("python"),
        "libraries": text.plain(machine.get("versions") or {}),
        "time": machine.get("time"),
    }
    return [{"what": what, "is": str(value)} for what, value in told.items() if value not in (None, "", text.MISSING)]


def peaks(machine: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{what, "1", "2", ..., source}]`: each peak on each number of threads that was measured, with its unit."""
    measured: Mapping[str, Mapping[str, Any]] = machine.get("peaks") or {}
    rows: list[dict[str, Any]] = []
    if not measured:
        return rows
    for what, key, unit, source in (
        ("float32", "fma_gflops", "GFLOP/s", "fma_source"),
        ("int8", "int8_gops", "GOP/s", "int8_source"),
    ):
        row = {"what": what, "source": _together({count: entry[source] for count, entry in measured.items()})}
        rows.append(row | {count: _rate(entry[key], unit) for count, entry in measured.items()})
    for level in ("L2", "L3", "DRAM"):
        found = {count: entry["bandwidth"][level] for count, entry in measured.items()}
        for what in ("read", "copy"):
            row = {
                "what": f"{level} {what}",
                "source": _together({count: _how(entry) for count, entry in found.items()}),
                **{count: _rate(entry[what], "GB/s") for count, entry in found.items()},
            }
            rows.append(row)
    return rows


def _how(entry: Mapping[str, Any]) -> str | None:
    """Over how much memory a rate was measured, or why it was not."""
    reason: str | None = entry.get("reason")
    return reason or (f"{binary(entry['bytes'])} for each thread" if entry["bytes"] else None)


def _together(told: Mapping[str, str | None]) -> str | None:
    """What is told of each number of threads, once where all are alike: `numpy (1 thread), another (2, 4 threads)`."""
    counts: dict[str, list[str]] = {}
    for count, words in told.items():
        if words:
            counts.setdefault(words, []).append(count)
    if len(set(told.values())) == 1:
        return next(iter(counts), None)
    return ", ".join(
        f"{words} ({', '.join(of)} {noun(1 if of == ['1'] else 2, 'thread')})" for words, of in counts.items()
    )


def binary(size: Any) -> str:
    """Bytes as caches are sold: `32 KiB`, `1 MiB`."""
    amount = text.number(size)
    if amount is None:
        return text.MISSING
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.3g} {unit}"
        amount /= 1024
    return f"{amount:.3g} GiB"


def _rate(value: Any, unit: str) -> str:
    return text.MISSING if text.number(value) is None else f"{text.significant(value)} {unit}"

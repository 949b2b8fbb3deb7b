"""The experiment's picture and its README, both from results.json's content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

INK, MUTED, RULE, SERIES = "#1c2027", "#666d78", "#e4e4de", {160: "#2b6cb0", 192: "#cc7a14", 224: "#2a8a68"}
MARKERS = {160: "o", 192: "s", 224: "D"}


def plot(results: dict[str, Any], path: Path) -> None:
    """Predicted over measured time, and below it the error of each network beside the spread of two measurements."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    rows, verdict = results["judges"], results["verdict"]
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "text.color": INK})
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(7, 8), height_ratios=[3, 1.3], sharex=True, layout="constrained"
    )
    least, most = (f(row[key] for row in rows for key in ("measured_ms", "predicted_ms")) for f in (min, max))
    ends = [least / 1.1, most * 1.1]
    above.plot(ends, ends, color=MUTED, linewidth=1, label="prediction = measurement")
    above.fill_between(ends, [0.9 * x for x in ends], [1.1 * x for x in ends], color=RULE, zorder=0, label="±10 %")
    for side in sorted({row["resolution"] for row in rows}):
        mine = [row for row in rows if row["resolution"] == side]
        x, y = [row["measured_ms"] for row in mine], [row["predicted_ms"] for row in mine]
        looks: dict[str, Any] = {"marker": MARKERS.get(side, "o"), "color": SERIES.get(side, INK), "linestyle": ""}
        above.plot(x, y, markersize=5, label=f"{side} px", **looks)
        below.plot(x, [100 * row["error"] for row in mine], markersize=4.5, **looks)
    for row in rows:
        half = 50 * row["spread"]
        below.plot(
            [row["measured_ms"]] * 2, [100 * row["error"] - half, 100 * row["error"] + half], color=MUTED, lw=0.8
        )
    below.axhline(0, color=MUTED, linewidth=1)
    below.axhspan(-10, 10, color=RULE, zorder=0)
    for axes in (above, below):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    above.set_yscale("log")
    above.yaxis.set_minor_formatter(NullFormatter())
    ticks = [x for x in (0.5, 1, 1.5, 2, 3, 4, 6, 8, 10, 15, 20, 30, 50, 100) if ends[0] <= x <= ends[1]]
    for axis in (above.xaxis, above.yaxis, below.xaxis):
        axis.set_ticks(ticks)
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    above.set(xlim=ends, ylim=ends, ylabel="predicted, ms")
    above.legend(frameon=False, loc="upper left")
    below.set(xlabel="measured, ms for one image (lines: half the difference of two measurements)", ylabel="error, %")
    error = verdict["error"]
    above.set_title(
        f"{len(rows)} networks that the latency table had not seen: median error {error['median']:.1%}, "
        f"p95 {error['p95']:.1%}",
        fontsize=11,
        loc="left",
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def readme(results: dict[str, Any]) -> str:
    """README.md, with the numbers of this run."""
    verdict, made, machine = results["verdict"], results["table"], results["machine"]
    n, correction = len(results["judges"]), made["correction"]
    lines = [
        ("the latency table", verdict["error"], verdict["rank_correlation"]),
        ("the bare sum of the rows", verdict["error_uncorrected"], None),
        ("multiply-adds (a line through the teachers)", verdict["error_by_macs"], verdict["rank_correlation_of_macs"]),
        ("the same network measured again", verdict["spread"], None),
    ]
    body = "\n".join(
        f"| {name} | {error['median']:.1%} | {error['p95']:.1%} | {'' if rank is None else f'{rank:.3f}'} |"
        for name, error, rank in lines
    )
    loads = [load for row in results["judges"] for load in row["load"] if load is not None]
    drifts = [drift for row in results["judges"] for drift in row["drift"]]
    busy = f"{min(loads, default=0):.1f} to {max(loads, default=0):.1f}"
    unknown = made["rows_of_judges"] - made["rows_of_judges_known"]
    minutes = sum(results["seconds"].values()) / 60
    return f"""# A latency table against networks that it has never seen

```
{results["command"]}
```

A V3-like space (`space.py`): depth 2 to 4 a stage, kernels 3, 5, 7, expansions 3, 4, 6, four widths, squeeze-and-excite
and activation by stage, three resolutions, 1,000 classes. ONNX Runtime {made["version"]}, one thread, {minutes:.0f}
minutes on {machine["cpu"]}. The load was {busy} while the {n} networks were measured, and the reference networks took
{min(drifts):.2f} to {max(drifts):.2f} of its time in the table. This file and the picture are written by the command.

{made["networks"]} networks gave {made["rows"]} rows and the correction. {n} others have {made["rows_of_judges"]}
different rows, {made["rows_of_judges_known"]} of them known; the other {unknown} were timed on demand, in chains that
mix the rows of all networks (no chain is one of the networks). The predictions were written down before the {n} were
measured, each twice.

| predicted by | median error | 95th percentile | rank correlation |
|---|---|---|---|
{body}

![predicted and measured](scatter.png)

* The table's own estimate of its error, from the {made["networks"]} teachers with each left out of the fit:
  {made["error"]["median"]:.1%} (median), {made["error"]["p95"]:.1%} (95th percentile).
* {verdict["inside_interval"]:.0%} of the measurements lie inside the interval that came with their prediction.
* The median of the errors with their signs, the bias, is {verdict["bias"]:+.1%}.
* The correction: {correction["scale"]:.3f} x the sum of the rows, {1e3 * correction["per_node"]:+.2f} µs a node
  (the profiler adds some to each), {1e3 * correction["per_run"]:+.0f} µs a run.
* What must hold (median error at most 4 %, 95th percentile at most {verdict["p95_limit"]:.0%}, rank correlation at
  least 0.98) {"holds" if verdict["holds"] else "does NOT hold"} in this run.

The rows are timed by ONNX Runtime's profiler inside chains of some 25 rows that are as long and as heavy as a network:
a lone row would find its weights in the second-level cache, and would pay changes of layout that a network does not.
"""

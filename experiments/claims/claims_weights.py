"""What is said of information that gets lost, and of kernels that die."""

from __future__ import annotations

from typing import Any

from verdicts import Claim, Verdict, all_or_none
from wording import percent, span, table

FEW, MANY = (2, 3), (15, 30)  # dimensions in which the figure shows loss, and none
COUNTS = ("kernels", "zero", "dead", "dead_starved", "constant", "starved", "cut_off")
NOTICED = 0.01  # of the standard deviation of the logits


def relu(found: dict[str, Any]) -> tuple[Verdict, str]:
    rows = {row["dimensions"]: row for row in found["rows"]}
    lost = {n: (rows[n]["collapsed"]["mean"], rows[n]["linear"]["median"]) for n in (*FEW, *MANY)}
    verdict = all_or_none(
        [*(min(lost[n]) > 0.1 for n in FEW), *(max(lost[n]) < 0.01 for n in MANY)],
    )
    shares = ", ".join(f"{percent(rows[n]['collapsed']['mean'], 0)}" for n in rows)
    return verdict, f"{shares} of the points collapse in {', '.join(map(str, rows))} dimensions"


def relu_table(found: dict[str, Any]) -> str:
    rows = []
    for row in found["rows"]:
        error, linear, collapsed, merged = (row[name] for name in ("error", "linear", "collapsed", "merged"))
        rows.append(
            [
                str(row["dimensions"]),
                f"{error['median']:.3f} ({span(error['interval'], 3)})",
                f"{linear['median']:.4f} ({span(linear['interval'], 4)})",
                f"{percent(collapsed['mean'])} ({percent(row['collapsed_expected'])})",
                f"{percent(merged['mean'])} ({percent(row['merged_expected'])})",
            ]
        )
    head = [
        "n",
        "error, pseudo-inverse (95 %)",
        "error, best affine map (95 %)",
        "collapsed (by law)",
        "all zero (by law)",
    ]
    return (
        "![the spiral as it comes back from 2 to 30 dimensions](relu.png)\n\n"
        f"{table(head, rows)}\n\n"
        f"{found['matrices']} random matrices for each n, {found['points']:,} points of the spiral; errors are "
        "squared, relative, and medians; the picture shows the matrix of the median. *Collapsed*: fewer than two of "
        "the n numbers survive, so that the plane becomes a line or a point there; the law is (1+n)/2^n. The error of "
        "the pseudo-inverse alone tends to 1/4, because ReLU halves on average what it lets through: what still shows "
        "in the figure at n = 30 is mostly that scale, and a linear map undoes it."
    )


def total(network: dict[str, Any], what: str) -> int:
    return sum(layer[what] for layer in network["layers"])


def dead(found: dict[str, Any]) -> tuple[Verdict, str]:
    with_dead = [network for network in found["networks"] if total(network, "dead")]
    unnoticed = [
        network["cut_dead"]["answers_changed"] == 0
        and network["cut_dead"]["largest_change"] <= NOTICED * network["logits_std"]
        for network in with_dead
    ]
    words = [f"{total(network, 'dead')} of {total(network, 'kernels'):,}" for network in found["networks"]]
    constant = [f"{total(network, 'constant')}" for network in found["networks"]]
    measured = f"dead: {', '.join(words)}; constant channels: {', '.join(constant)}"
    return all_or_none(unnoticed or [False]), measured


def dead_table(found: dict[str, Any]) -> str:
    rows = [
        [f"`{network['file']}`", *(f"{total(network, what):,}" for what in COUNTS)] for network in found["networks"]
    ]
    cuts = [
        [
            f"`{network['file']}`",
            *(
                f"{network[cut]['largest_change']:.3f} / {percent(network[cut]['answers_changed'], 0)}"
                for cut in ("cut_dead", "cut_constant", "cut_living")
            ),
            f"{network['logits_std']:.1f}",
        ]
        for network in found["networks"]
    ]
    layers = [
        [f"`{network['file']}`", layer["layer"], *(str(layer[what]) for what in COUNTS)]
        for network in found["networks"]
        for layer in network["layers"]
        if layer["constant"] or layer["zero"]
    ]
    names = [what.replace("_", " ") for what in COUNTS]
    return "\n\n".join(
        [
            table(["weights", *names], rows),
            "*Zero*: the kernel's largest weight, times the scale of its BatchNorm, is below 1 % of the layer's "
            f"median. *Constant*: over all positions of {found['seen']} photographs the channel spans less than 1 % of "
            "the layer's median span. *Dead* is both; *dead starved* are those whose input is constant too. A channel "
            "with a living kernel is constant because its input is (*starved*) or because the activation cuts it off. "
            "The layers with any:",
            table(["weights", "layer", *names], layers),
            f"Cutting them, judged on {found['other']} other photographs: the largest change of any logit, and the "
            "share of answers that change.",
            table(
                [
                    "weights",
                    "dead set to zero",
                    "constant ones fixed",
                    "as many living ones set to zero",
                    "std of logits",
                ],
                cuts,
            ),
        ]
    )


CLAIMS = (
    Claim(
        "ReLU in a space of few dimensions destroys information, in many it does not",
        "MobileNetV2 (arXiv 1801.04381), figure 1; the lectures",
        "relu",
        "reproduced when in 2 and 3 dimensions more than 10 % of the points collapse and the best linear "
        "reconstruction misses more than 10 %, and in 15 and 30 less than 1 %; refuted when none of these holds.",
        relu,
        relu_table,
    ),
    Claim(
        'Depthwise kernels can train to zero ("dead")',
        "the lectures",
        "dead",
        "reproduced when some real weights have dead kernels, and setting them to zero changes no answer and no "
        "logit by more than 1 % of the logits' standard deviation; refuted when none is found or every cut is noticed.",
        dead,
        dead_table,
    ),
)

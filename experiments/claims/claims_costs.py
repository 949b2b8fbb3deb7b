"""What is said of multiply-adds, parameters and bytes."""

from __future__ import annotations

from typing import Any

from verdicts import Claim, Verdict, all_or_none, near
from wording import megabytes, millions, percent, table

V1, V2 = "MobileNetV1 (arXiv 1704.04861)", "MobileNetV2 (arXiv 1801.04381)"
PUBLISHED = {
    #                        multiply-adds and parameters, millions: tables 4 and 5
    "mobilenet_v1_full": (4866, 29.3),
    "mobilenet_v1": (569, 4.2),
    "mobilenet_v1_0.75_224": (325, 2.6),
    "mobilenet_v1_shallow": (307, 2.9),
}
VIEWS = {"moved": "moved", "peak": "peak", "between": "between blocks"}


def shares(found: dict[str, Any]) -> tuple[Verdict, str]:
    one = found["shares"]["mobilenet_v1"]["pointwise"]
    verdict = all_or_none([abs(one["macs"] - 0.95) <= 0.01, abs(one["params"] - 0.75) <= 0.01])
    return verdict, f"{percent(one['macs'])} and {percent(one['params'])}"


def share_table(found: dict[str, Any]) -> str:
    kinds = list(found["shares"]["mobilenet_v1"])
    rows = [
        [name, *(f"{percent(of[kind]['macs'])} / {percent(of[kind]['params'])}" for kind in kinds)]
        for name, of in found["shares"].items()
    ]
    head = ["multiply-adds / parameters", *("1x1" if kind == "pointwise" else kind for kind in kinds)]
    return table(head, rows) + (
        "\n\n`squeeze` are the two 1x1 convolutions of each squeeze-and-excite, which see one pixel; `dense` are the "
        "layers after pooling; `other` are BatchNorm's parameters. What is true of V1 is not true of V3: its "
        "parameters sit behind the pooling and in the gates."
    )


def ratios(found: dict[str, Any]) -> list[float]:
    twins = found["twins"]
    whole = twins["mobilenet_v1_full"]["macs"] / twins["mobilenet_v1"]["macs"]
    return [whole, *(layer["full"] / layer["separable"] for layer in found["layers"])]


def separable(found: dict[str, Any]) -> tuple[Verdict, str]:
    whole, *layers = ratios(found)
    verdict = all_or_none([round(ratio) in (8, 9) for ratio in (whole, *layers)])
    return verdict, f"{whole:.2f} times in the whole network, {min(layers):.2f} to {max(layers):.2f} by layer"


def layer_table(found: dict[str, Any]) -> str:
    rows = [
        [
            str(layer["row"]),
            " x ".join(map(str, layer["output"])),
            millions(layer["full"]),
            millions(layer["separable"]),
        ]
        + [f"{layer['full'] / layer['separable']:.2f}"]
        for layer in found["layers"]
    ]
    return table(["layer", "output", "full 3x3", "separable", "ratio"], rows)


def published(found: dict[str, Any]) -> tuple[Verdict, str]:
    pairs = []
    for name, (macs, params) in PUBLISHED.items():
        pairs += [(found["twins"][name]["macs"] / 1e6, macs), (found["twins"][name]["params"] / 1e6, params)]
    worst = max(abs(measured - claimed) / claimed for measured, claimed in pairs)
    return near(pairs, 0.02), f"eight figures, the furthest off by {percent(worst)}"


def published_table(found: dict[str, Any]) -> str:
    rows = []
    for name, (macs, params) in PUBLISHED.items():
        ours = found["twins"][name]
        rows.append([name, f"{macs} M", millions(ours["macs"]), f"{params} M", millions(ours["params"], 2)])
    return table(["network", "multiply-adds, paper", "counted", "parameters, paper", "counted"], rows)


def memory(found: dict[str, Any]) -> tuple[Verdict, str]:
    shapes = found["shapes"]
    spindle, others = shapes["spindle"], [shapes["hourglass"], shapes["separable hourglass"]]
    verdict = all_or_none([spindle[view] < other[view] for view in VIEWS for other in others])
    words = [
        f"{title} {spindle[view] / others[0][view]:.2f} and {spindle[view] / others[1][view]:.2f}"
        for view, title in VIEWS.items()
    ]
    return verdict, "times the bytes of the hourglass with full and with separable 3x3: " + "; ".join(words)


def memory_table(found: dict[str, Any]) -> str:
    rows = [
        [name, millions(of["macs"]), millions(of["params"], 2), *(megabytes(of[view]) for view in VIEWS)]
        for name, of in found["shapes"].items()
    ]
    return table(["17 blocks at 224 px", "multiply-adds", "parameters", *VIEWS.values()], rows) + (
        "\n\n`moved`: what all operations read and write, weights included, BatchNorm and activations fused. `peak`: "
        "the largest sum of feature maps alive at one time. `between blocks`: the largest input and output of a "
        "block together, which is all that reaches memory if the inside of a block stays in cache. The tables are "
        "those of `shapes.py`. Run layer by layer, as engines do, the spindle's wide middle goes through memory too; "
        "the gain between blocks is for an engine that keeps the middle in cache."
    )


CLAIMS = (
    Claim(
        "1x1 convolutions hold 95 % of MobileNetV1's multiply-adds and 75 % of its parameters",
        f"{V1}, table 2; the lectures",
        "costs",
        "reproduced when both shares are within 1 point, refuted when neither is.",
        shares,
        share_table,
    ),
    Claim(
        "A separable 3x3 convolution takes 8 to 9 times fewer multiply-adds than a full one",
        f"{V1}, section 3.1; the lectures",
        "costs",
        "reproduced when the ratio of the whole network and of each of its 13 layers rounds to 8 or 9.",
        separable,
        layer_table,
    ),
    Claim(
        "MobileNetV1, its full twin, the thin and the shallow one cost what tables 4 and 5 say",
        V1,
        "costs",
        "reproduced when all eight figures are within 2 % (the paper rounds 2.6 M and 2.9 M).",
        published,
        published_table,
    ),
    Claim(
        "V2's spindle needs less memory than ResNet's hourglass at equal multiply-adds",
        f'{V2}, section 5; the lectures: it "reduces access to DDR memory"',
        "costs",
        "reproduced when the spindle needs less than both hourglasses in all three views of memory, refuted when in "
        "none.",
        memory,
        memory_table,
    ),
)

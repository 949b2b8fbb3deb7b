"""What is said of milliseconds."""

from __future__ import annotations

from typing import Any

from claims_costs import V1, V2
from verdicts import Claim, Verdict, above, all_or_none, below, faster_by, share_of
from wording import millions, percent, span, table

CLAIMED = 0.85  # of V2's time
NOTHING = 0.02  # a saving that nobody would call a speed-up
Group = dict[str, dict[str, float]]


def ratio(group: Group, first: str, second: str) -> tuple[float, tuple[float, float]]:
    """Median of `first` over that of `second`; the interval goes from end to end of theirs: more than 95 %."""
    a, b = group[first], group[second]
    return a["median_ms"] / b["median_ms"], (a["low_ms"] / b["high_ms"], a["high_ms"] / b["low_ms"])


def in_words(group: Group, first: str, second: str) -> str:
    middle, interval = ratio(group, first, second)
    return f"{middle:.3f} ({span(interval, 3)})"


def group_table(name: str, base: str) -> Any:
    """What makes the table of a group, with ratios to the network `base`."""

    def numbers(found: dict[str, Any]) -> str:
        group = found["groups"][name]
        rows = [
            [
                network,
                millions(of["macs"], 0),
                f"{of['median_ms']:.2f} ({span((of['low_ms'], of['high_ms']))})",
                in_words(group, network, base),
            ]
            for network, of in group.items()
        ]
        return table(["network", "multiply-adds", "ms (95 %)", f"of {base} (95 %)"], rows) + _note(found)

    return numbers


def _note(found: dict[str, Any]) -> str:
    return f"\n\nONNX Runtime, {found['threads']} thread, one image, all networks of the table in turn."


def generations(found: dict[str, Any]) -> tuple[Verdict, str]:
    group = found["groups"]["generations"]
    middle, interval = ratio(group, "mobilenet_v3_large", "mobilenet_v2")
    words = f"{percent(1 - middle)} less time ({percent(1 - interval[1])} to {percent(1 - interval[0])})"
    return faster_by(CLAIMED, middle, interval), words


def gates(found: dict[str, Any]) -> tuple[Verdict, str]:
    group = found["groups"]["gates"]
    words = f"h-swish takes {in_words(group, 'hswish', 'sigmoid')} of sigmoid's time"
    return above(ratio(group, "hswish", "sigmoid")[1], 1 - NOTHING), words


def spindle(found: dict[str, Any]) -> tuple[Verdict, str]:
    group = found["groups"]["shapes"]
    others = ("hourglass", "separable hourglass")
    verdicts = [below(ratio(group, "spindle", other)[1], 1.0) for other in others]
    verdict: Verdict = verdicts[0] if verdicts[0] == verdicts[1] else "mixed"
    return verdict, "; ".join(f"{in_words(group, 'spindle', other)} of the {other}'s time" for other in others)


def gemm(found: dict[str, Any]) -> tuple[Verdict, str]:
    group = found["groups"]["twins"]
    faster = ratio(group, "mobilenet_v1_full", "mobilenet_v1")[0]
    fewer = group["mobilenet_v1_full"]["macs"] / group["mobilenet_v1"]["macs"]
    return share_of(fewer, faster), f"{faster:.1f} times faster for {fewer:.1f} times fewer multiply-adds"


def equal_cost(found: dict[str, Any]) -> tuple[Verdict, str]:
    group = found["groups"]["twins"]
    middle, interval = ratio(group, "mobilenet_v1_0.75_224", "mobilenet_v1_shallow")
    verdict = all_or_none([abs(middle - 1) <= 0.1, interval[0] < 1.1 and interval[1] > 0.9])
    return verdict, f"thin takes {in_words(group, 'mobilenet_v1_0.75_224', 'mobilenet_v1_shallow')} of shallow's time"


CLAIMS = (
    Claim(
        "MobileNetV3-Large takes 15 % less time than V2 at 224 px",
        "MobileNetV3 (arXiv 1905.02244); the lectures",
        "speed",
        "reproduced when it surely takes less (the whole interval) and saves at least half of what was claimed, "
        "refuted when neither, mixed when one of them.",
        generations,
        group_table("generations", "mobilenet_v2"),
    ),
    Claim(
        "h-swish instead of the sigmoid as the gate of squeeze-and-excite has no effect on speed",
        'the lectures: "some replace the sigmoid by h-swish for speed, without effect"',
        "speed",
        "reproduced when h-swish surely saves less than 2 %, refuted when it surely saves more.",
        gates,
        group_table("gates", "sigmoid"),
    ),
    Claim(
        "V2's spindle is quicker than ResNet's hourglass at equal multiply-adds",
        f"follows from what {V2}, section 5, and the lectures say of memory",
        "speed",
        "reproduced when it surely takes less time than both hourglasses, refuted when surely more than both.",
        spindle,
        group_table("shapes", "spindle"),
    ),
    Claim(
        "Separable convolutions turn fewer multiply-adds into less time, because 1x1 are matrix products",
        f"{V1}, section 3.2",
        "speed",
        "reproduced when V1 is faster than its full twin by at least 80 % of the factor of the multiply-adds, "
        "refuted when by less than half of it.",
        gemm,
        group_table("twins", "mobilenet_v1"),
    ),
    Claim(
        "The thin and the shallow MobileNetV1 cost about the same",
        f"{V1}, table 5, in multiply-adds",
        "speed",
        "reproduced when the median times are within 10 % of each other, refuted when surely not, mixed in between.",
        equal_cost,
        group_table("twins", "mobilenet_v1_shallow"),
    ),
)

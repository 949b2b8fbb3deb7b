"""What is said of training: its memory, its speed, and the accuracy that comes of it."""

from __future__ import annotations

from typing import Any

from claims_costs import V1
from verdicts import Claim, Verdict, above, all_or_none, together
from wording import megabytes, millions, percent, points, span, table

NETWORKS = ("mobilenet_v1", "mobilenet_v1_full")
LOST = 0.01  # claimed; twice that is the limit


def by_setting(found: dict[str, Any]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """For each setting the row of MobileNetV1 and that of its full twin."""
    rows = {(row["setting"], row["network"]): row for row in found["rows"]}
    settings = dict.fromkeys(row["setting"] for row in found["rows"])
    return {setting: (rows[setting, NETWORKS[0]], rows[setting, NETWORKS[1]]) for setting in settings}


def more_memory(found: dict[str, Any]) -> tuple[Verdict, str]:
    parts, words = [], []
    for setting, (ours, full) in by_setting(found).items():
        peak, saved = (ours[what] / full[what] for what in ("peak_bytes", "saved_bytes"))
        parts += [peak > 1, saved > 1]
        words.append(f"{setting}: {saved:.2f} times the maps kept, {peak:.2f} times the peak")
    return all_or_none(parts), "; ".join(words)


def speed_interval(ours: dict[str, Any], full: dict[str, Any]) -> tuple[float, float]:
    """Of the ratio of images per second, from end to end of both intervals."""
    (low, high), (least, most) = ours["speed_interval"], full["speed_interval"]
    return low / most, high / least


def faster(found: dict[str, Any]) -> tuple[Verdict, str]:
    verdicts, words = [], []
    for setting, (ours, full) in by_setting(found).items():
        interval = speed_interval(ours, full)
        verdicts.append(above(interval, 1.0))
        speedup = ours["images_per_second"] / full["images_per_second"]
        words.append(f"{setting}: {speedup:.2f} times ({span(interval)}) the images per second")
    return together(verdicts), "; ".join(words)


def memory_table(found: dict[str, Any]) -> str:
    rows = [
        [
            row["setting"],
            f"{row['network']} {row['width']:g}",
            str(row["batch"]),
            megabytes(row["saved_bytes"]),
            megabytes(row["peak_bytes"]),
            f"{row['images_per_second']:.1f} ({span(row['speed_interval'], 1)})",
        ]
        for row in found["rows"]
    ]
    note = (
        "PyTorch, channels_last, one thread, SGD with momentum. *Kept* are the tensors that wait for the backward "
        "pass, each once, parameters left out; *peak* is the growth of the process, with weights, gradients, momentum "
        "and scratch memory, of which the full twin has more."
    )
    head = ["input", "network", "batch", "kept for backward", "peak", "images/s (95 %)"]
    return f"{table(head, rows)}\n\n{note}"


def pair(found: dict[str, Any], title: str) -> dict[str, Any]:
    return next(pair for pair in found["pairs"] if pair["pair"] == title)


def epochs_differ(found: dict[str, Any]) -> bool:
    return len({row["epochs"] for row in found["rows"]}) > 1


def first(found: dict[str, Any], network: str) -> dict[str, Any]:
    return next(row for row in found["rows"] if row["network"] == network)


def one_percent(found: dict[str, Any]) -> tuple[Verdict, str]:
    lost = pair(found, "full minus separable")
    full, separable = first(found, "full"), first(found, "separable")
    low, high = lost["interval"]
    verdict: Verdict = "reproduced" if high <= 2 * LOST else "refuted" if low > 2 * LOST else "mixed"
    words = f"full minus separable: {100 * lost['difference']:+.1f} points ({points(lost['interval'])}), for "
    words += f"{full['macs'] / separable['macs']:.1f} times fewer multiply-adds"
    return "mixed" if epochs_differ(found) else verdict, words


def thin(found: dict[str, Any]) -> tuple[Verdict, str]:
    gained = pair(found, "thin minus shallow")
    verdict = "mixed" if epochs_differ(found) else above(gained["interval"])
    seeds = "" if gained["seeds"] == 1 else f", over {gained['seeds']} seeds"
    return (
        verdict,
        f"thin minus shallow: {100 * gained['difference']:+.1f} points ({points(gained['interval'])}){seeds}",
    )


def twin_table(*networks: str) -> Any:
    """What makes the table of these networks."""

    def numbers(found: dict[str, Any]) -> str:
        rows = [
            [
                f"{row['network']}: {row['model']}",
                str(row["seed"]),
                millions(row["macs"]),
                millions(row["params"], 2),
                str(row["epochs"]),
                f"{row['seconds'] / 60:.0f}",
                f"{row['train_loss']:.2f}",
                f"{percent(row['top1'])} ({span([100 * end for end in row['interval']], 1)})",
            ]
            for row in found["rows"]
            if row["network"] in networks
        ]
        head = ["network", "seed", "multiply-adds", "parameters", "epochs", "minutes", "last loss", "test top-1 (95 %)"]
        recipe = found["recipe"]
        return table(head, rows) + (
            f"\n\nCIFAR-10 at {found['resolution']} px with the small-input stem: the same {found['images']:,} of "
            f"50,000 training images, {recipe['epochs']} epochs, {recipe['optimizer']} at {recipe['lr']:g}, batch "
            f"{recipe['batch']}, the same order and the same views for all; all 10,000 test images. The difference "
            "is paired, image by image; its interval is over test images, not over trainings. The trainings are "
            "short: this says what the networks learn soon, not what they end at."
        )

    return numbers


CLAIMS = (
    Claim(
        "Training a network of separable convolutions needs more memory than training its full twin",
        "the lectures",
        "memory",
        "reproduced when both what is kept for the backward pass and the peak of the process are larger in all "
        "settings, refuted when none is.",
        more_memory,
        memory_table,
    ),
    Claim(
        "Separable convolutions speed up training",
        "the lectures",
        "memory",
        "reproduced when surely more images per second in all settings, refuted when surely fewer in all.",
        faster,
        lambda found: "The images per second are in the table above.",
    ),
    Claim(
        "MobileNetV1 loses 1 % to its full twin for ten times less cost",
        f"{V1}, table 4; the lectures",
        "twins",
        "reproduced when surely no more than 2 points are lost (twice what was claimed), refuted when surely more; "
        "mixed when the interval has both, or the epochs differ.",
        one_percent,
        twin_table("full", "separable"),
    ),
    Claim(
        "Thin beats shallow at about equal cost",
        f"{V1}, table 5; the lectures",
        "twins",
        "reproduced when the thin network is surely ahead, refuted when surely behind; mixed otherwise, or when the "
        "epochs differ.",
        thin,
        twin_table("thin", "shallow"),
    ),
)

"""The sentences of a report, said the same way on the page and in the terminal. [core]"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from .text import counted, limit, milliseconds, number, pair, percent, plain, resolution, significant, whole

# Two runtimes that compute the same network in float32 differ by rounding only; more than this is another network.
MAX_ABS_ERROR = 1e-4

RUNTIMES = {"onnxruntime": "ONNX Runtime", "torch": "PyTorch", "openvino": "OpenVINO", "litert": "LiteRT"}


class Statement(NamedTuple):
    state: Literal["good", "bad", "unknown"]
    text: str


def runtime_name(runtime: object) -> str:
    """The runtime's name as its makers write it."""
    return RUNTIMES.get(str(runtime), str(runtime)) if runtime else "the exported runtime"


def network_name(network: Mapping[str, Any]) -> str:
    """The model with the width and resolution that its name does not already say: `mobilenet_v2 × 0.75, 160 px`."""
    name = str(network.get("model") or "no network")
    said = name.split("_")
    width, side = number(network.get("width")), network.get("resolution")
    if width is not None and width != 1 and f"{width:g}" not in said:
        name += f" × {width:g}"
    if side and str(side) not in said:
        name += f", {resolution(side)}"
    return name


def budget(verdict: Mapping[str, Any]) -> Statement:
    """Whether the budget is kept. It is when the whole interval of the median lies below it, not the median alone."""
    allowed, median = number(verdict.get("budget_ms")), number(verdict.get("latency_ms"))
    if allowed is None:
        return Statement("unknown", "no latency budget was set")
    if median is None:
        return Statement("unknown", f"not timed against the budget of {limit(allowed)}")
    interval = pair(verdict.get("latency_interval_ms")) or (median, median)
    between = pair(verdict.get("latency_between_ms"))
    if verdict.get("reliable") is False and between and between[0] <= allowed < between[1]:
        said = f"between {significant(between[0])} and {milliseconds(between[1])}, for a budget of {limit(allowed)}"
        return Statement("unknown", f"could not be measured reliably: {said}")
    met = verdict.get("budget_met")
    if met if isinstance(met, bool) else interval[1] < allowed:
        return Statement("good", f"within the budget of {limit(allowed)}")
    if median < allowed:
        return Statement("bad", f"not surely within the budget of {limit(allowed)}: the interval reaches above it")
    over = median / allowed - 1
    return Statement(
        "bad", f"over the budget of {limit(allowed)}" + (f" by {percent(over, 0)}" if over >= 0.01 else "")
    )


def where_measured(verdict: Mapping[str, Any]) -> str:
    """`one image in ONNX Runtime, 1 thread`, and where it was another device, ` on ssh://pi`."""
    threads = number(verdict.get("threads"))
    said = f", {counted(threads, 'thread')}" if threads else ""
    place = f" on {verdict['device']}" if verdict.get("device") else ""
    return f"one image in {runtime_name(verdict.get('runtime'))}{said}{place}"


def split_images(verdict: Mapping[str, Any]) -> str:
    """`360 images of the test split`; "" when nothing was counted."""
    images = number(verdict.get("images"))
    split = verdict.get("split")
    if images is not None and str(split).endswith(" folds"):
        return f"{counted(images, 'image')}, each held out once in {split}"
    return "" if images is None else counted(images, "image") + (f" of the {split} split" if split else "")


def export(check: Mapping[str, Any]) -> Statement:
    """What running the exported file over the images showed, against the network in PyTorch."""
    agreement, error = number(check.get("top1_agreement")), number(check.get("max_abs_error"))
    images = number(check.get("images"))
    if agreement is None and error is None:
        return Statement("unknown", "The exported file has not been checked.")
    said = []
    if agreement is not None and images:
        same = round(agreement * images)
        every = "the one image" if images == 1 else f"all {counted(images, 'image')}"
        some = f"{whole(same)} of {counted(images, 'image')}"
        said.append(f"the same answer on {every if same == images and agreement == 1 else some}")
    elif agreement is not None:
        said.append(f"the same answer on {percent(agreement, 2)} of the images")
    if error is not None:
        said.append(f"probabilities differ by at most {error:.1e}" if error else "probabilities equal to the last bit")
    sound = (agreement is None or agreement == 1) and (error is None or error < MAX_ABS_ERROR)
    text = f"{runtime_name(check.get('runtime'))} against PyTorch, from the image files on: {'; '.join(said)}."
    return Statement("good" if sound else "bad", text)


def pretrained(value: object) -> str:
    """Where the weights started: `trained from scratch`, or from which file."""
    if not value:
        return "trained from scratch"
    return "started from pretrained weights" if value is True else f"started from {plain(value)}"


def rejection(calibration: Mapping[str, Any]) -> str:
    """What the threshold does: how many images it sets aside, and how many of the others are right; "" without one."""
    threshold, images = number(calibration.get("threshold")), number(calibration.get("images"))
    kept = calibration.get("kept")
    if threshold is None or not images or not isinstance(kept, Mapping):
        return ""
    left, right, top1 = (number(value) for value in (kept.get("images"), kept.get("right"), calibration.get("top1")))
    if left is None or right is None:
        return ""
    said = (
        f'Below {percent(threshold)} it says "unsure": that sets {whole(images - left)} of {counted(images, "image")} '
        f"aside ({percent((images - left) / images)})"
    )
    if not left:
        return f"{said}, which is all of them."
    than = "" if top1 is None else f" instead of {percent(top1)}"
    return f"{said}, and of the others {percent(right / left)} are right{than}."


def sure(calibration: Mapping[str, Any]) -> str:
    """`, and 95.8 % of the 119 that it is sure of`; "" without a threshold."""
    kept = calibration.get("kept")
    if not isinstance(kept, Mapping) or not (left := number(kept.get("images"))):
        return ""
    return f", and {percent((number(kept.get('right')) or 0) / left)} of the {whole(left)} that it is sure of"


def temper(calibration: Mapping[str, Any]) -> str:
    """What the temperature changed, in words: was the network too sure or too modest, and what became better."""
    temperature = number(calibration.get("temperature"))
    sides = [side if isinstance(side := calibration.get(name), Mapping) else {} for name in ("before", "after")]
    (ece_before, ece), (nll_before, nll) = ([number(side.get(key)) for side in sides] for key in ("ece", "nll"))
    if temperature is None or ece is None or nll is None:
        return ""
    if temperature == 1 or ece_before is None or nll_before is None:
        return (
            f"Its probabilities are as training left them: they are {percent(ece)} off the share of right answers "
            f"(expected calibration error), with a cross-entropy of {nll:.3f}."
        )
    was = "modest" if temperature < 1 else "sure"
    return (
        f"After training it was too {was}. A temperature of {temperature:.2f} in the softmax mends that and changes no "
        f"answer: the expected calibration error went from {percent(ece_before)} to {percent(ece)}, the cross-entropy "
        f"from {nll_before:.3f} to {nll:.3f}."
    )


def no_rejection(calibration: Mapping[str, Any]) -> str:
    """Why there is no threshold."""
    return (
        "No answer is called unsure: there was no mistake to avoid."
        if calibration.get("top1") == 1
        else "No answer is called unsure: no probability was found below which mistakes gather."
    )

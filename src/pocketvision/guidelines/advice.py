"""What to do about it: a sentence for each guideline, made from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pocketvision.guidelines.sentences import SENTENCES
from pocketvision.guidelines.verdict import BAND, LOOKS
from pocketvision.guidelines.words import Numbers
from pocketvision.units import counted

RUNTIMES = {"onnxruntime": "ONNX Runtime", "torch": "PyTorch", "openvino": "OpenVINO", "litert": "LiteRT"}


def advice(
    claims: Sequence[Mapping[str, Any]], tables: Sequence[Mapping[str, Any]], runtime: str, threads: int
) -> list[dict[str, str]]:
    """`[{name, sentence}]`, one for each claim, in their order."""
    by_name = {table["name"]: table for table in tables}
    verdicts = {claim["name"]: claim["verdict"] for claim in claims}
    place = f"on this CPU with {RUNTIMES.get(runtime, runtime)} on {counted(threads, 'thread')}"
    said = []
    for claim in claims:
        if claim["verdict"] in ("holds", "does not hold"):
            sentence = SENTENCES[claim["name"]](Numbers(claim, by_name[claim["experiment"]], verdicts))
        else:
            sentence = _open(claim)
        said.append({"name": claim["name"], "sentence": f"{place}, {sentence}"})
    return said


def _open(claim: Mapping[str, Any]) -> str:
    """Of a claim that is neither so nor not so: why, and whether asking again helps."""
    says = claim["says"]
    if claim["verdict"] == "not measured":
        return f"it is not measured whether {says}: {claim['reason']}"
    low, high = claim["interval"]
    between = f"{low:.2f} to {high:.2f} times as long"
    if claim["verdict"] == "borderline":
        line = f"at the {100 * BAND:.0f} % below which an effect counts as none"
        return f"it is borderline whether {says}: {between}, {line}; decide by accuracy, asking again will not help"
    if claim["batches"] < LOOKS[0]:
        ended = f"the time was up after {claim['batches']} of {LOOKS[0]} batches"
        return f"it is undecided whether {says}: {ended}; ask for {claim['experiment']} alone (--only)"
    return f"it is undecided whether {says} ({between}): ask again when the machine is idle"

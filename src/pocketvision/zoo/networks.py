"""The networks of the zoo: every combination with a published accuracy, and the ends of the dials of all families."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pocketvision.errors import InputError
from pocketvision.models import MODELS, create_spec, list_models, split_name
from pocketvision.models.catalogue import is_name
from pocketvision.models.published import PUBLISHED, estimate_top1, source
from pocketvision.runtimes import SUFFIXES

WIDTH, RESOLUTION = 0.5, 128  # what every family is also tried at, one dial at a time, where nobody published it
# What the plots tell apart: a family belongs to the first of these that its name contains, else it is its own.
LINES = (
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "mnasnet",
    "squeezenet",
    "shufflenet_v1",
    "shufflenet_v2",
    "resnet",
)


@dataclass(frozen=True)
class Member:
    """One network. `top1` (0..1) is "published" or "estimated" as `top1_is` says; both None for a family of which
    nobody published any figure. `base` is the family with its own dial, `line` the papers' line that it belongs to."""

    name: str
    base: str
    line: str
    width: float
    resolution: int
    top1: float | None
    top1_is: str | None
    source: str | None


def members(wanted: Sequence[str] = ()) -> list[Member]:
    """The zoo, or of it what matches one of the shell patterns `wanted`; a network's name adds that network.

    InputError for a pattern that nothing matches, an unknown name, and a file, whose accuracy nobody published.
    """
    found = {member.name: member for member in _all()}
    if not wanted:
        return list(found.values())
    chosen: dict[str, Member] = {}
    for text in wanted:
        if is_name(text):
            member = _named(text)
            chosen[member.name] = member
            continue
        matching = [name for name in found if fnmatch.fnmatch(name, text)]
        if not matching:
            raise InputError(_unmatched(text))
        chosen |= {name: found[name] for name in matching}
    return list(chosen.values())


def _all() -> Iterator[Member]:
    for base in dict.fromkeys(split_name(name).base for name in list_models()):
        own = MODELS[split_name(base).family].resolution
        published = [(width, resolution) for name, width, resolution in PUBLISHED if name == base]
        for width, resolution in dict.fromkeys([*published, (1.0, own), (1.0, RESOLUTION), (WIDTH, own)]):
            yield _member(base, width, resolution)


def _named(name: str) -> Member:
    named = split_name(name)
    resolution = named.resolution or MODELS[named.family].resolution
    if not isinstance(resolution, int):
        raise InputError(f"{name}: accuracies are known of square images only: give one side, such as _{resolution[0]}")
    return _member(named.base, named.width or 1.0, resolution)


def _member(base: str, width: float, resolution: int) -> Member:
    top1: float | None = None
    kind: str | None = None
    if (base, width, resolution) in PUBLISHED:
        top1, kind = PUBLISHED[base, width, resolution], "published"
    elif any(base == known for known, _, _ in PUBLISHED):  # a variant's accuracy is not that of the plain network
        top1, kind = estimate_top1(base, width, resolution)[0], "estimated"
    name = create_spec(base, width, resolution).name
    line = next((line for line in LINES if line in base), base)
    return Member(name, base, line, width, resolution, top1, kind, source(base, width, resolution))


def _unmatched(text: str) -> str:
    if Path(text).suffix in SUFFIXES or "/" in text or Path(text).exists():
        return f"{text} is a file, and the zoo is of networks with known accuracies: leave it out, or leave out --zoo"
    if any(sign in text for sign in "*?["):
        return f"no network of the zoo matches {text!r}: 'pocketvision models' lists what is published"
    try:
        split_name(text)
    except InputError as error:
        return str(error)
    raise AssertionError(f"{text} is a name and was not taken as one")

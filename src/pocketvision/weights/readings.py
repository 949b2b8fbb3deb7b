"""Networks that share every tensor and answer differently: which of them weights are of, only a name tells.

timm's `tf_mobilenetv3_large_100` has the tensors of `mobilenetv3_large_100`, by the same names and shapes, but
TensorFlow's padding and epsilon. The name is the one that a config or a checkpoint states, or the caller gives, or the
file's own, as its library published it. experiments/parity/lookalikes.py finds what is to be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pocketvision.errors import InputError
from pocketvision.progress import say

if TYPE_CHECKING:
    from pocketvision.weights.recognised import Recognised


@dataclass(frozen=True)
class Reading:
    """One of the networks that the tensors may be of.

    `names` is a pattern of what its library calls it, `example` such a name, `means` in which way it differs from the
    others. `change` makes of what the tensors tell what this network is; None: it is none of ours. `usual`: nobody
    publishes the others' tensors, so that it is taken where no name says otherwise, and that is said.
    """

    example: str
    names: str
    means: str
    change: Callable[[Recognised], Recognised] | None
    usual: bool = False

    def is_called(self, name: str) -> bool:
        name = name.lower().replace("-", "_")
        return re.search(rf"(?<![a-z0-9])(?:{self.names})(?![a-z0-9])", name) is not None


def as_it_is(found: Recognised) -> Recognised:
    return found


def resolve(found: Recognised, source: str, given: str, stated: str = "", file: str = "") -> Recognised:
    """`found` as the network that its name says: the one `given` by the caller, else `stated` beside the tensors, else
    that of the `file`; "" where there is none. InputError, with all readings, where no name tells, and for a reading
    that is none of our networks.
    """
    if not found.readings:
        return found
    for name, binding in ((given, True), (stated, False), (file, False)):
        reading = next((reading for reading in found.readings if reading.is_called(name)), None)
        if reading is None and not (binding and name):
            continue
        if reading is None:
            raise InputError(f"{source} has the tensors of {_listed(found)}, and {name!r} is none of them: name one")
        if reading.change is None:
            raise InputError(
                f"{source} is of {name} ({reading.means}), whose tensors are also those of {found.family} but answer "
                "otherwise: pocketvision does not have this network"
            )
        return replace(reading.change(found), readings=())
    usual = next((reading for reading in found.readings if reading.usual), None)
    if usual:
        other = next(reading for reading in found.readings if reading is not usual)
        say(
            f"{source} is taken for {usual.example} ({usual.means}); where it is {other.example} ({other.means}), give "
            f"FILE@{other.example}"
        )
        return replace(found, readings=())
    example = next(reading.example for reading in found.readings if reading.change)
    raise InputError(
        f"{source} has the tensors of {_listed(found)}, which answer differently, and nothing says which: put the name "
        f"behind the file (FILE@{example}), or in Python open_weights(source, {example!r})"
    )


def _listed(found: Recognised) -> str:
    return " and of ".join(f"{reading.example} ({reading.means})" for reading in found.readings)

"""Numbers of an experiment, as sentences need them."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from statistics import geometric_mean
from typing import Any


class Numbers:
    """One measured claim with its experiment's table, in words. `verdicts` are those of all claims, by name."""

    def __init__(self, claim: Mapping[str, Any], table: Mapping[str, Any], verdicts: Mapping[str, str]) -> None:
        self.rows = {row["label"]: row["cells"] for row in table["rows"]}
        self.first = table["rows"][0]["label"]
        self.holds = claim["verdict"] == "holds"
        self.rounded = verdicts.get(f"{claim['name']}, round numbers")  # the same asked without odd widths
        self.ratio = float(claim["ratio"])
        self.longer = longer(self.ratio)  # of the claim's slow side

    def against(self, label: str, reference: str) -> str:
        """How much longer `label` takes than `reference`, over all columns."""
        ratio = self._ratio(label, reference, "ratio")
        return "an unmeasured time" if ratio is None else longer(ratio)

    def more_macs(self, label: str, reference: str) -> str:
        """`12 % more`."""
        ratio = self._ratio(label, reference, "macs")
        assert ratio is not None  # counted, not measured
        return f"{100 * (ratio - 1):.0f} % more"

    def ms(self, label: str) -> float:
        """In the last column; inf if not measured. Through the ratio, which is of the same rounds, so that times agree
        with what is said."""
        first, ratio = self.rows[self.first][-1]["ms"], self.rows[label][-1]["ratio"]
        return inf if first is None or ratio is None else float(first * ratio)

    def _ratio(self, label: str, reference: str, key: str) -> float | None:
        pairs = [(cell[key], other[key]) for cell, other in zip(self.rows[label], self.rows[reference], strict=True)]
        if any(None in pair for pair in pairs):
            return None
        return geometric_mean(above / below for above, below in pairs)


def longer(ratio: float) -> str:
    """`1.62` -> `62 % longer`; `0.9` -> `10 % less`; `1.001` -> `no longer`."""
    share = round(100 * (ratio - 1))
    return "no longer" if share == 0 else f"{abs(share)} % {'longer' if share > 0 else 'less'}"

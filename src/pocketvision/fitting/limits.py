"""What a network may cost besides time: multiply-adds, parameters, bytes of the file, bytes of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pocketvision.errors import InputError
from pocketvision.units import parse_bytes, parse_count

if TYPE_CHECKING:
    from pocketvision.measure.count import Costs

OVERHEAD = 100_000  # bytes of an exported file besides its weights: the graph, the metadata


@dataclass(frozen=True)
class Limits:
    """Upper bounds, None where there is none. `size` is that of the exported file in float32, in bytes; `memory` that
    of weights and feature maps while one image is answered, as counted (an engine's own needs come on top)."""

    macs: int | None = None
    params: int | None = None
    size: int | None = None
    memory: int | None = None

    @classmethod
    def parse(
        cls, macs: str | None = None, params: str | None = None, size: str | None = None, memory: str | None = None
    ) -> Limits:
        """From text as people write it: `100M` multiply-adds, `2M` parameters, `4MB`. InputError for anything else."""
        return cls(
            parse_count(macs, "max-macs") if macs else None,
            parse_count(params, "max-params") if params else None,
            parse_bytes(size, "max-size") if size else None,
            parse_bytes(memory, "max-memory") if memory else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Only what is limited."""
        values = {"macs": self.macs, "params": self.params, "size": self.size, "memory": self.memory}
        return {name: value for name, value in values.items() if value is not None}

    def exceeded(self, costs: Costs) -> list[str]:
        """The names of the bounds that a network with these costs is beyond."""
        needs = self._needs(costs)
        return [name for name, most in self.to_json().items() if needs[name] > most]

    def nothing_fits(self, costs: list[Costs]) -> InputError:
        """What to say when no candidate keeps the bounds: the least that any of them needs."""
        least = {name: min(self._needs(one)[name] for one in costs) for name in self.to_json()}
        wanted = ", ".join(f"--max-{name} {most:,}" for name, most in self.to_json().items())
        needed = ", ".join(f"{name} {amount:,}" for name, amount in least.items())
        return InputError(f"no candidate keeps {wanted}: the smallest needs {needed}, allow that much")

    @staticmethod
    def _needs(costs: Costs) -> dict[str, int]:
        from pocketvision.measure.count import FLOAT_BYTES  # needs PyTorch

        weights = costs.params * FLOAT_BYTES
        return {
            "macs": costs.macs,
            "params": costs.params,
            "size": weights + OVERHEAD,
            "memory": weights + costs.peak_activation_bytes,
        }

"""Reading many images of which some may be gone or damaged by now: those are left out, counted, and named once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pocketvision.data.findings import printable
from pocketvision.errors import InputError
from pocketvision.progress import say
from pocketvision.units import counted

Place = TypeVar("Place")
Read = TypeVar("Read")

_named: set[str] = set()  # what this process has said already: training, validation and export meet the same images


class Skipped:
    """Images that could not be read; `reasons` says of each, once, which and why."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def add(self, error: InputError) -> None:
        """Note an image by what its reading raised."""
        self.reasons.append(str(error).removeprefix("cannot read image "))

    def say(self, of: int, show: bool = True, most: int = 3) -> None:
        """One line for those that no earlier line of this process has named; InputError when it was all `of` them."""
        if self.reasons and len(self.reasons) == of:
            raise InputError(f"none of {counted(of, 'image')} can be read (first: {self.reasons[0]})")
        fresh = [reason for reason in dict.fromkeys(self.reasons) if reason not in _named]
        if fresh and show:
            _named.update(fresh)
            more = f"; {len(fresh) - most:,} more" if len(fresh) > most else ""
            named = "; ".join(fresh[:most])
            say(
                printable(
                    f"left out, because they cannot be read: {len(fresh):,} of {counted(of, 'image')}: {named}{more}"
                )
            )


def read_each(places: Sequence[Place], read: Callable[[Place], Read], skipped: Skipped) -> dict[int, Read]:
    """index -> what was read, in order, without those that raise InputError: they go into `skipped`."""
    found: dict[int, Read] = {}
    for index, place in enumerate(places):
        try:
            found[index] = read(place)
        except InputError as error:
            skipped.add(error)
    return found

"""What a public function's annotations say of its arguments holds, also for callers who run no type checker."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import re
from collections.abc import Callable
from numbers import Integral, Real
from typing import ParamSpec, TypeVar

from pocketvision.errors import InputError
from pocketvision.files import is_path

P = ParamSpec("P")
R = TypeVar("R")

SHOWN = 60  # characters of a value, at most
WORDS = {"int": "a whole number", "float": "a number", "bool": "True or False", "str": "text", "Path": "a path"}
LISTS = {"Sequence": "a list", "Mapping": "a dictionary", "dict": "a dictionary"}


def as_annotated(*own: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """InputError, before anything is done, for an argument that is not of the kind that its annotation names.

    `own` are the arguments that the function judges by itself, because it has more to say.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        kinds = {
            name: _kinds(str(parameter.annotation))
            for name, parameter in signature.parameters.items()
            if name not in own
        }

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError:  # Python's own sentence follows
                given = {}
            for name, value in given.items():
                if name in kinds and not any(is_kind(value, kind) for kind in kinds[name]):
                    raise InputError(f"{name} {shown(value)} of {function.__name__}: give {_words(kinds[name])}")
            return function(*args, **kwargs)

        return checked

    return decorate


def is_kind(value: object, kind: str) -> bool:
    """Is `value` what `kind` says, as an annotation does: `int`, `Path`, `Sequence[str]`, `nn.Module`?

    NumPy's numbers are numbers; True and False are not, though 0 and 1 are those. A path, or text that may be one,
    is such as a system can hold.
    """
    name, _, inside = kind.removesuffix("]").partition("[")
    truth = type(value).__name__ in ("bool", "bool_")
    if name == "None":
        return value is None
    if name == "bool":
        return truth or (isinstance(value, Integral) and value in (0, 1))
    if name == "int":
        return isinstance(value, Integral) and not truth and -(2**63) <= int(value) < 2**63
    if name == "float":
        return isinstance(value, Real) and not truth
    if name == "str":
        return isinstance(value, str)
    if name == "Path":
        return is_path(value)
    if name == "Sequence":
        return (
            isinstance(value, collections.abc.Sequence) and not isinstance(value, str | bytes) and _all(value, inside)
        )
    if name == "Mapping":
        return isinstance(value, collections.abc.Mapping) and _all(value.values(), inside.rpartition(", ")[2])
    return any(one.__name__ == name.rpartition(".")[2] for one in type(value).__mro__)


def shown(value: object) -> str:
    """`value` as Python writes it, on one line, shortened."""
    text = " ".join(repr(value).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _kinds(annotation: str) -> list[str]:
    """Of `str | Path | None` the kinds: `Path`, which text is too, and `None`."""
    kinds = re.split(r" \| (?![^\[]*\])", annotation)
    return [kind for kind in kinds if kind != "str" or "Path" not in kinds]


def _all(values: collections.abc.Iterable[object], kind: str) -> bool:
    return kind != "str" or all(isinstance(value, str) for value in values)


def _words(kinds: list[str]) -> str:
    names = [kind.partition("[")[0].rpartition(".")[2] for kind in kinds if kind != "None"]
    said = [WORDS.get(name) or LISTS.get(name) or f"a {name}" for name in names]
    texts = any("[str" in kind for kind in kinds)
    return " or ".join(said) + (" of text" if texts and len(said) == 1 else "")

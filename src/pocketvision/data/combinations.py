"""Is the name of a class put together from other names, such as `cat and dog` where `cat` and `dog` are classes?"""

import re
from collections.abc import Collection, Iterable

AND = frozenset("and or und oder et ou y o e og och en with".split())
LOOSE = re.compile(r"\s+|-")  # what stands inside ordinary names as well: hot dog, t-shirt


TOKEN = re.compile(r"\d+\.\d+|\w+")


def combined(names: Iterable[str], words: bool = True) -> dict[str, str]:
    """Those of `names` that are made of others among them -> what stands in between: `, `, ` and `, a space.

    An underscore joins one name, so that there is a way to write it. With `words` False a space or a hyphen alone do
    not part names either.
    """
    different = dict.fromkeys(names)
    known = {name.casefold() for name in different}
    found = {name: next((j for j in _joints(name, known) if words or not LOOSE.fullmatch(j)), "") for name in different}
    return {name: joint for name, joint in found.items() if joint}


def _joints(name: str, known: Collection[str]) -> list[str]:
    """What stands between the `known` names that all of `name` is made of; nothing when it is not."""
    tokens = list(TOKEN.finditer(name))
    covered: dict[int, list[str]] = {0: []}  # number of leading tokens that are names -> what stands between those
    for end in range(1, len(tokens) + 1):
        for start in range(end):
            whole = end - start == len(tokens)
            if (
                whole
                or start not in covered
                or name[tokens[start].start() : tokens[end - 1].end()].casefold() not in known
            ):
                continue
            between = [name[tokens[start - 1].end() : tokens[start].start()]] if start else []
            covered.setdefault(end, covered[start] + between)
            if end + 1 < len(tokens) and tokens[end][0].casefold() in AND:
                covered.setdefault(end + 1, [*covered[end], f" {tokens[end][0]} "])
    return covered.get(len(tokens), [])

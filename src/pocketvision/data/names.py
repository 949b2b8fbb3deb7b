"""Names of splits and classes. Unicode writes ä as one sign or as two, and file systems and people mix both."""

import unicodedata
from collections.abc import Iterable

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # folder -> split


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC), in which names of classes, groups and splits are compared."""
    return unicodedata.normalize("NFC", name)


def spellings(path: str) -> list[str]:
    """A path as written, then as written on Windows, then in the other Unicode forms; each once."""
    slashed = path.replace("\\", "/")
    decomposed = unicodedata.normalize("NFD", slashed)
    return list(dict.fromkeys((path, slashed, composed(slashed), decomposed)))


def alike(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that a person hardly tells apart: capitals, spaces, and signs without a shape differ."""
    groups: dict[str, list[str]] = {}
    for name in names:
        folded = unicodedata.normalize("NFKC", name).casefold()
        shown = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
        groups.setdefault(" ".join(shown.replace("_", " ").replace("-", " ").split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]

"""Names of splits and classes. Unicode writes ä as one sign or as two, and file systems and people mix both."""

import re
import unicodedata
from collections.abc import Iterable

SPLITS = {  # in a table's column, and in the names of folders -> split
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
BESIDE = {"set", "data", "dataset", "images", "seg", "split"}  # words that stand beside those, as in `test_set`


def split_of(folder: str) -> str | None:
    """The split that a folder is called after: `train`, `Training`, `test_set`, `seg_train`; None for other names."""
    words = re.split(r"[ _.-]+", folder.lower())
    named = [SPLITS[word] for word in words if word in SPLITS]
    return named[0] if len(named) == 1 and set(words) - set(SPLITS) <= BESIDE else None


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

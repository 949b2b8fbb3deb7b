"""The sentence of each guideline that holds or does not."""

from __future__ import annotations

from collections.abc import Callable

from pocketvision.guidelines.words import Numbers


def _unequal(n: Numbers) -> str:
    found = f"1x1 convolutions between few channels and many take {n.longer} per multiply-add at 1:12 than at 1:1"
    if not n.holds:
        return f"{found}: neighbouring widths may differ"
    return f"{found}: {_blame(n, 'the unequal widths', 'keep neighbouring widths alike', 'round both')}"


def _unequal_rounded(n: Numbers) -> str:
    found = f"the same in multiples of 16 channels takes {n.longer} per multiply-add at 1:16 than at 1:1"
    if n.holds:
        return f"{found}: wide and narrow layers cost time even in round numbers"
    return f"{found}: expand and project as you like, in round numbers"


def _groups(n: Numbers) -> str:
    found = f"grouped 1x1 convolutions take {n.against('2', '1')} per multiply-add in 2 groups and {n.longer} in 8"
    if not n.holds:
        return f"{found}: groups buy channels for nothing" + ", of odd widths too" * (n.rounded == "does not hold")
    return f"{found}: {_blame(n, 'the groups', 'prefer fewer channels to more groups', 'take groups of round widths')}"


def _groups_rounded(n: Numbers) -> str:
    found = f"4 groups of 32, 64 or 128 channels take {n.longer} per multiply-add than one"
    return f"{found}: {'groups cost time even in round numbers' if n.holds else 'group as you like, in such widths'}"


def _blame(n: Numbers, what: str, avoid: str, round_them: str) -> str:
    """What follows from a cost that was measured with odd widths: that depends on what is left without them."""
    if n.rounded == "holds":
        return avoid
    if n.rounded == "does not hold":
        return f"not for {what} but for widths off the vector width (see round numbers): {round_them}"
    return f"how much of this is for {what} and how much for widths off the vector width is open"


def _series(n: Numbers) -> str:
    found = f"four narrow 1x1 convolutions in a row take {n.longer} than one of as many multiply-adds"
    return f"{found}: {'fewer and wider layers are faster' if n.holds else 'depth costs no extra time'}"


def _parallel(n: Numbers) -> str:
    found = f"four 1x1 convolutions side by side and their sum take {n.longer} than one of as many multiply-adds"
    return f"{found}: {'avoid branches' if n.holds else 'branches cost no extra time'}"


def _relu(n: Numbers) -> str:
    found = f"a bottleneck with ReLU takes {n.longer} than without"
    return f"{found}: {'leave out those that a block does not need' if n.holds else 'leaving it out saves nothing'}"


def _shortcut(n: Numbers) -> str:
    found = f"a bottleneck with a shortcut takes {n.longer} than without"
    return f"{found}: {'each has to earn its sum' if n.holds else 'leaving it out saves nothing'}"


def _kernel(small: str, large: str) -> Callable[[Numbers], str]:
    def sentence(n: Numbers) -> str:
        macs = n.more_macs(large, small)
        found = (
            f"V3's blocks take {n.longer} with {large} than with {small} depthwise kernels, for {macs} multiply-adds"
        )
        return f"{found}: {'use them where they earn it in accuracy' if n.holds else 'use them freely'}"

    return sentence


def _squeeze(n: Numbers) -> str:
    usual, without, least = n.ms("as published"), n.ms("no squeeze-and-excite"), n.ms("minimalistic")
    found = f"squeeze-and-excite costs {_share(n)} of V3-Large ({usual:.2f} ms, {without:.2f} ms without)"
    if not n.holds:
        return f"{found}: keep it"
    advised = f"{found}: below {usual:.2f} ms leave it out"
    return (
        f"{advised}, below {without:.2f} ms take the minimalistic variant ({least:.2f} ms)"
        if least < without
        else advised
    )


def _gates(n: Numbers) -> str:
    hswish = n.against("h-swish gates", "as published")
    found = f"V3-Large takes {n.longer} with sigmoid gates than with hard sigmoid, and {hswish} with h-swish"
    return f"{found}: {'take the hard sigmoid' if n.holds else 'choose the gate by accuracy'}"


def _hswish(n: Numbers) -> str:
    usual, plain = n.ms("as published"), n.ms("ReLU for h-swish")
    found = f"h-swish costs {_share(n)} of V3-Large ({usual:.2f} ms, {plain:.2f} ms with ReLU)"
    return f"{found}: {f'below {usual:.2f} ms try ReLU' if n.holds else 'keep it'}"


def _width(n: Numbers) -> str:
    others = " and ".join(f"{label} channels {n.against(label, '64')}" for label in ("60", "72"))
    found = f"63 and 65 channels take {n.longer} per multiply-add than 64, {others}"
    return f"{found}: {'round channel counts, after pruning too' if n.holds else 'channel counts need no rounding'}"


def _share(n: Numbers) -> str:
    """Of the whole that the slow side is, what the fast side saves."""
    return f"{100 * max(0.0, 1 - 1 / n.ratio):.0f} %"


SENTENCES: dict[str, Callable[[Numbers], str]] = {
    "G1": _unequal,
    "G1, round numbers": _unequal_rounded,
    "G2": _groups,
    "G2, round numbers": _groups_rounded,
    "G3, series": _series,
    "G3, parallel": _parallel,
    "G4, ReLU": _relu,
    "G4, shortcut": _shortcut,
    "5x5 depthwise": _kernel("3x3", "5x5"),
    "7x7 depthwise": _kernel("3x3", "7x7"),
    "squeeze-and-excite": _squeeze,
    "hard gates": _gates,
    "h-swish": _hswish,
    "vector width": _width,
}

"""The model card (README.md) of a network on the Hugging Face Hub."""

from __future__ import annotations

from pocketvision.network import Network
from pocketvision.units import counted

SHOWN = 20  # class names


def text(net: Network, repo_id: str, transformers: bool) -> str:
    """What the network is for, what goes in, what is known of it, how to load it; `transformers` too can, or not."""
    p = net.preprocessing
    height, width = p.resolution
    means, stds = (", ".join(f"{value:.4g}" for value in values) for values in (p.mean, p.std))
    first = ", ".join(net.classes[:SHOWN])
    more = len(net.classes) - SHOWN
    task = "any number of these classes for an image" if net.task == "multilabel" else "one class for an image"
    lines = [
        "---",
        f"library_name: {'transformers' if transformers else 'pocketvision'}",
        "pipeline_tag: image-classification",
        "tags:",
        "- pocketvision",
        "- image-classification",
        "---",
        "",
        f"# {repo_id.partition('/')[2]}",
        "",
        f"{net.spec.name}: {task}.",
        "",
        f"- Classes ({len(net.classes)}): {first}" + (f", and {more} more" if more > 0 else ""),
        f"- Input: {height} x {width} px, {counted(p.channels, 'channel')} "
        f"(mean {means}, std {stds} of values in 0..1), the centre of the image resized to {p.resize[0]} x "
        f"{p.resize[1]} px",
        *(f"- {name}: {_short(value)}" for name, value in net.metrics.items() if _is_short(value)),
        "",
        "```python",
        "import pocketvision as pv",
        "",
        f'net = pv.load("hf:{repo_id}")',
        'print(net.predict("image.jpg"))',
        "```",
    ]
    if transformers:
        lines += [
            "",
            "```python",
            "from transformers import AutoModelForImageClassification",
            "",
            f'net = AutoModelForImageClassification.from_pretrained("{repo_id}")',
            "```",
        ]
    return "\n".join(lines) + "\n"


def _is_short(value: object) -> bool:
    return isinstance(value, str | int | float)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

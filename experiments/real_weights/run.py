"""Published weights on 300 photographs: this library beside the implementation that each file was made for.

    python experiments/real_weights/run.py [--shared ../shared]

Both see the same pixels, prepared as the weights say. Two minutes. Writes results.json and README.md; exit status 1
when a file answers otherwise than its implementation. Files for LiteRT need `pip install ai-edge-litert`, and are left
out without it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pocketvision as pv
from pocketvision.data.image import prepare
from pocketvision.data.sources import open_dataset
from pocketvision.evaluation import as_runnable
from pocketvision.measure.machine import machine

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import implementations  # noqa: E402

QUANTISED_LOSS, AGREEMENT = 1.5, 0.90  # points of top-1 that dequantised weights may lose; share of equal answers


@dataclass(frozen=True)
class File:
    """A weights file, the network it is of, who published its score, and whether our answers must be the same."""

    model: str
    file: str
    reference: str
    exact: bool


FILES = (
    File("mobilenet_v2", "mobilenet_v2-b0353104.pth", "mobilenet_v2", True),
    File("squeezenet_1.1", "squeezenet1_1_caffe.npz", "squeezenet_1_1", True),
    File("squeezenet_1.0", "squeezenet_v1.0_deep_compression.net", "squeezenet_1_0", True),
    File("mobilenet_v1_0.25_128", "mobilenet_v1_0.25_128_quant.tflite", "litert", False),
    File("mobilenet_v1_0.5_160", "mobilenet_v1_0.5_160_quant.tflite", "litert", False),
    File("mobilenet_v1_0.75_192", "mobilenet_v1_0.75_192_quant.tflite", "litert", False),
    File("mobilenet_v2", "mobilenet_v2_1.0_224_quant.tflite", "litert", False),
)


def compare(one: File, shared: Path, every: int = 1) -> dict[str, Any]:
    """Top-1 and top-5 of both on the same pixels, %, and how often their first answers are equal.

    The reference sees `every` so many-th image: all of them unless somebody has no time.
    """
    net = pv.create_model(one.model, weights=shared / "weights" / one.file).eval()
    dataset = open_dataset(shared / "data" / "imagenet_sample.tar", net.classes)
    samples = [sample for split in dataset.splits.values() for sample in split]
    labels = np.array([sample.label for sample in samples])
    pixels = np.stack([prepare(sample.image, net.preprocessing) for sample in samples])
    ours = np.concatenate([as_runnable(net).run(part) for part in np.array_split(pixels, 10)])
    some = slice(None, None, every)
    theirs = getattr(implementations, one.reference)(shared / "weights" / one.file)(pixels[some])
    return {
        **asdict(one),
        "images": len(labels),
        "top1": share(ours, labels, 1), "top5": share(ours, labels, 5),
        "reference_top1": share(theirs, labels[some], 1), "reference_top5": share(theirs, labels[some], 5),
        "agreement": float((ours[some].argmax(1) == theirs.argmax(1)).mean()),
        "preprocessing": net.preprocessing.described(),
    }  # fmt: skip


def share(scores: np.ndarray, labels: np.ndarray, places: int) -> float:
    """Share of images whose label is among the first `places` answers, %; of equals the first counts."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :places]
    return float((best == labels[:, None]).any(1).mean() * 100)


def holds(row: dict[str, Any]) -> bool:
    """The same within one image, or for dequantised weights within what quantising may cost."""
    if row["exact"]:
        return abs(row["top1"] - row["reference_top1"]) <= 100 / row["images"] + 1e-9
    return row["top1"] >= row["reference_top1"] - QUANTISED_LOSS and row["agreement"] >= AGREEMENT


def page(results: dict[str, Any]) -> str:
    lines = [
        "# Published weights on 300 photographs",
        "",
        "```",
        results["command"],
        "```",
        "",
        "Both implementations see the same pixels, prepared as the weights say. LiteRT runs the quantised file, this",
        "library its dequantised weights in float. The photographs are from ImageNet's training split: the figures",
        "compare implementations, they are not accuracies. `results.json` has machine, versions and commit.",
        "",
        "| file | network | top-1 / top-5 | reference's | same first answer | holds |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        who = "LiteRT" if row["reference"] == "litert" else "torchvision's module"
        lines.append(
            f"| `{row['file']}` | {row['model']} | {row['top1']:.2f} / {row['top5']:.2f} | "
            f"{row['reference_top1']:.2f} / {row['reference_top5']:.2f} ({who}) | {row['agreement']:.1%} | "
            f"{'yes' if holds(row) else 'NO'} |"
        )
    return "\n".join([*lines, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/ and weights/")
    shared = parser.parse_args().shared
    rows = []
    for one in FILES:
        try:
            rows.append(compare(one, shared))
        except ModuleNotFoundError as missing:
            print(f"{one.file}: left out, {missing.name} is not installed", file=sys.stderr)
            continue
        print(f"{one.file}: {rows[-1]['top1']:.2f} against {rows[-1]['reference_top1']:.2f}", file=sys.stderr)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE)
    results = {
        "command": "python experiments/real_weights/run.py",
        "commit": commit.stdout.strip(),
        "machine": machine(),
        "rows": rows,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "README.md").write_text(page(results))
    print(page(results))
    return 0 if all(holds(row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Does every family answer as the libraries that others use? Random weights into both, then the same images.

    make parity                                         # installs the libraries, then this:
    python experiments/parity/run.py [--only 'timm/*'] [--seed 0]

Each reference network gets random weights and random BatchNorm statistics, is given as it is to
`pv.create_model(family, weights=module)`, and both are compared:

* outputs in eval mode in float32, at 224 and 193 px (an odd side shows where padding differs);
* parameters and multiply-adds, counted on both modules by `pocketvision.measure.count`;
* in train mode in float64 without dropout: outputs, the running statistics afterwards, tensor by tensor, and the
  gradients of the input.

Writes README.md and results.json beside this file, unless `--only` leaves references out. A run that was stopped goes
on where it was. Ends with status 1 when anything differs. A library that is not installed is skipped, and named.
Published figures are shown for information: accuracies of `models/published.py`, costs of
../shared/reference/published.csv where that is.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from progress import Progress, provenance
from references import Reference, answer, build_reference, difference, missing_library, references
from torch import nn

import pocketvision as pv
from pocketvision.files import write_atomic
from pocketvision.measure.count import count
from pocketvision.measure.machine import machine
from pocketvision.models import MODELS, split_name
from pocketvision.models.published import PUBLISHED
from pocketvision.network import Network
from pocketvision.weights import open_weights

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("POCKETVISION_SHARED") or HERE.parents[2] / "shared")
SIDES = (224, 193)
TRAIN_SIDE, TRAIN_IMAGES = 97, 4
EVAL_LIMIT, TRAIN_LIMIT = 2e-5, 1e-8  # the largest difference, as a share of the reference's largest number


def ours_of(reference: Reference, module: nn.Module) -> Network:
    """Our network with the reference's weights, read from the living module."""
    classes = reference.classes if reference.classes != 1000 else None
    return pv.create_model(reference.family, classes=classes, weights=module).eval()


def compare_eval(net: Network, module: nn.Module, side: int) -> float:
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(side))
    with torch.inference_mode():
        return difference(answer(net.eval(), images), answer(module.eval(), images))


def compare_costs(net: Network, module: nn.Module) -> dict[str, tuple[int, int]]:
    """(ours, theirs) of parameters and multiply-adds at 224 px."""
    ours, theirs = count(net, (3, 224, 224)), count(module, (3, 224, 224))
    return {"params": (ours.params, theirs.params), "macs": (ours.macs, theirs.macs)}


def compare_train(net: Network, module: nn.Module, side: int = TRAIN_SIDE) -> dict[str, float]:
    """One pass forwards and back in train mode: outputs, input gradients, and the worst of the running statistics.

    Changes both modules: they are float64 afterwards, without dropout, and their statistics have moved.
    """
    start = torch.randn(TRAIN_IMAGES, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs, gradients = [], []
    for part in (net, module):
        _without_dropout(part.double().train())
        images = start.clone().requires_grad_()
        logits = answer(part, images)
        pull = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        (logits * pull).sum().backward()
        assert images.grad is not None
        outputs.append(logits.detach())
        gradients.append(images.grad)
    found = {"outputs": difference(*outputs), "input gradients": difference(*gradients)}
    expected = open_weights(module).named_for(net.spec)
    moved = {name: tensor for name, tensor in net.state_dict().items() if ".running_" in name}
    if moved:
        found["running statistics"] = max(difference(tensor, expected[name]) for name, tensor in moved.items())
    return found


def _without_dropout(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        for name in ("drop_rate", "drop_prob", "drop_path_rate"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)


def compare(reference: Reference, seed: int = 0, sides: tuple[int, ...] = SIDES, train: bool = True) -> dict[str, Any]:
    """Everything about one reference; `failures` are empty when it agrees."""
    module = build_reference(reference, seed)
    net = ours_of(reference, module)
    evaluated = {str(side): compare_eval(net, module, side) for side in sides}
    costs = compare_costs(net, module)
    trained = compare_train(net, module) if train else {}
    failures = [f"{side} px: {value:.1e}" for side, value in evaluated.items() if not value < EVAL_LIMIT]
    failures += [f"{what}: {ours} for {theirs}" for what, (ours, theirs) in costs.items() if ours != theirs]
    failures += [f"train, {what}: {value:.1e}" for what, value in trained.items() if not value < TRAIN_LIMIT]
    return {
        "reference": reference.id,
        "ours": net.spec.name,
        "eval": evaluated,
        "params": costs["params"][1],
        "macs": costs["macs"][1],
        "train": trained,
        "failures": failures,
        **_published(reference, net.spec.name),
    }


def _published(reference: Reference, ours: str) -> dict[str, float]:
    """What is published of the same network: top-1 of the table of published figures, costs in millions."""
    named = split_name(ours)
    resolution = named.resolution or MODELS[named.family].resolution
    top1 = PUBLISHED.get((named.base, round(named.width or 1.0, 3), resolution))
    found = {} if top1 is None else {"published_top1": top1}
    path = SHARED / "reference" / "published.csv"
    if not path.is_file() or not reference.listed:
        return found
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            here = _lists(line, reference) and line["input"] in ("", str(resolution))
            if here and line["params_M"] and line["macs_M"]:
                params, macs = float(line["params_M"]), float(line["macs_M"])
                return {**found, "published_params_M": params, "published_macs_M": macs}
    return found


def _lists(line: dict[str, str], reference: Reference) -> bool:
    """Is this line of published.csv about the reference?"""
    variant, source = line["variant"], line["source"]
    if reference.library == "transformers":  # ports of TensorFlow's, which are listed by family and width
        family, width = reference.listed.split()
        ours = (line["family"], source.partition("@")[0]) == (family, "tensorflow/models")
        return ours and variant.replace(".", "").isdigit() and float(variant) == float(width)
    if reference.library == "pytorchcv":
        return variant == reference.listed
    return _plain(variant.partition(".")[0]) == _plain(reference.listed) and reference.library in source


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, one line for each reference."""
    head = "| reference | ours | 224 px | 193 px | parameters | multiply-adds | published | top-1 | train |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        costs, top1 = "", ""
        if "published_params_M" in row:
            costs = f"{row['published_params_M']:g} M, {row['published_macs_M']:g} M"
        if "published_top1" in row:
            top1 = f"{100 * row['published_top1']:.1f} %"
        trained = _short(max(row["train"].values())) if row["train"] else ""
        cells = [row["reference"], row["ours"], *map(_short, row["eval"].values())]
        cells += [f"{row['params']:,}", f"{row['macs']:,}", costs, top1, trained]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:.0e}" if value else "0"


README = """# The families beside other libraries' networks

```
{command}
```

Each reference gets random weights and random BatchNorm statistics and is given as it is to
`pv.create_model(family, weights=module)`. {passed} of {all} agree: in eval mode at 224 and 193 px within {eval:.0e} of
the largest output (the columns show the largest difference found, in float32); parameters and multiply-adds equal to
the reference's exactly, both counted by `pocketvision.measure.count` at 224 px; in train mode (float64, no dropout)
outputs, input gradients and running statistics within {train:.0e} (the column shows the worst of the three).

"published" are the parameters and multiply-adds that others list (../shared/reference/published.csv has the sources; at
299 px for Xception, else at 224), "top-1" the figure in `models/published.py` for the family at that width: for
information, not compared. The networks of transformers have 1001 classes, as Google's checkpoints do, and their
BatchNorm's momentum is put right (see `references.py`). pytorchcv's last average pooling is replaced by the mean of the
whole map, so that it takes 193 px too. 0: equal to the last bit.
{skipped}
{table}
"""


def examined(reference: Reference, seed: int) -> dict[str, Any]:
    """Everything about one reference, or why it is not read."""
    try:
        return compare(reference, seed)
    except pv.InputError as error:
        return {"reference": reference.id, "failures": [str(error)]}


def main() -> int:
    """Compare all references, print what differs, write README.md and results.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", help="pattern of library/name; nothing is written then")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = provenance(" ".join(["python", "experiments/parity/run.py", *sys.argv[1:]]), arguments.seed)
    progress = Progress("results", about) if arguments.only == "*" else None
    before, rows, skipped = machine(), [], set()
    for reference in references():
        if not fnmatch.fnmatch(reference.id, arguments.only):
            continue
        if missing_library(reference):
            if reference.library not in skipped:
                print(f"{reference.library} is not installed: its networks are skipped", file=sys.stderr, flush=True)
            skipped.add(reference.library)
            continue
        row = progress.found.get(reference.id) if progress else None
        if row is None:
            row = examined(reference, arguments.seed)
            if progress:
                progress.add(reference.id, row)
        rows.append(row)
        print(f"{reference.id}: {'; '.join(row['failures']) or 'agrees'}", file=sys.stderr, flush=True)
    failed = [row["reference"] for row in rows if row["failures"]]
    print(f"{len(rows) - len(failed)} of {len(rows)} agree", file=sys.stderr)
    if progress:
        result = {**about, "skipped": sorted(skipped), "rows": rows, "machine": before}
        write_atomic(HERE / "results.json", json.dumps(result, indent=1) + "\n")
        left_out = f"\nNot installed, and left out: {', '.join(sorted(skipped))}.\n" if skipped else ""
        readme = README.format(
            command=about["command"], passed=len(rows) - len(failed), all=len(rows), eval=EVAL_LIMIT, train=TRAIN_LIMIT,
            skipped=left_out, table=table([row for row in rows if "ours" in row]),
        )  # fmt: skip
        write_atomic(HERE / "README.md", readme)
        progress.finish()
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

"""Follows CONTRIBUTING.md: adds its block, its family and its runtime to a copy of the package, and uses them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, command_environment

# ```python src/pocketvision/... is a file to write; ```python ROWS a line for that dictionary.
FENCE = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = dict(FENCE.findall((ROOT / "CONTRIBUTING.md").read_text()))

FOLLOWED = """
import sys
import numpy as np
import torch
from pathlib import Path

import pocketvision as pv
from pocketvision.blocks import ROWS
from pocketvision.blocks.dilated import Dilated
from pocketvision.models import MODELS, Family, holenet
from pocketvision.runtimes import RUNTIMES, get_runtime
from pocketvision.runtimes.verify import compare
from pocketvision.validation import FAMILIES, require_family

ROWS.update({%(ROWS)s})
MODELS.update({%(MODELS)s})
FAMILIES.update({%(FAMILIES)s})
RUNTIMES.update({%(RUNTIMES)s})

require_family("holenet_0.5_96")
assert list(FAMILIES) == list(MODELS)
torch.manual_seed(0)
net = pv.create_model("holenet", width=0.5, resolution=32, classes=4)
assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 4)
assert net.trunk[2].conv.out_channels == 32, "the width multiplier halves the table's 64"
assert pv.Spec.from_json(net.spec.to_json()) == net.spec

file = Path(sys.argv[1]) / "model.onnx"
get_runtime("onnxruntime").convert(net, file)
images = list(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))
check = compare(get_runtime("torch").load(net), get_runtime("onnx").load(file), images)
assert check.top1_agreement == 1 and check.max_abs_error < 1e-5, check
print(check)
"""


def test_the_recipes_for_a_block_a_family_and_a_runtime(tmp_path: Path) -> None:
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (name for name in EXAMPLES if name.startswith("src/")):
        assert not (ROOT / path).exists(), f"{path} exists: CONTRIBUTING.md needs another example"
        (tmp_path / path).write_text(EXAMPLES[path])
    environment = {**command_environment(), "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED % EXAMPLES, str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "runtime='onnx'" in done.stdout


@pytest.mark.parametrize("name", ["ROWS", "MODELS", "RUNTIMES"])
def test_each_recipe_is_one_file_and_one_line(name: str) -> None:
    folder = {"ROWS": "blocks", "MODELS": "models", "RUNTIMES": "runtimes"}[name]
    assert len(EXAMPLES[name].strip().splitlines()) == 1
    assert len([path for path in EXAMPLES if path.startswith(f"src/pocketvision/{folder}/")]) == 1

"""The page of claims: it is what results.json says, its verdicts follow their rules, and its costs are counted anew."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from conftest import ROOT

FOLDER = ROOT / "experiments/claims"
RESULTS = FOLDER / "results.json"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """`module("verdicts")`: a file of the experiment, which is no package; none of them stays imported."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = {path.stem for path in FOLDER.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def results() -> dict:
    return json.loads(RESULTS.read_text())


def test_the_page_is_written_from_the_results(module):
    run = module("run")
    assert (FOLDER / "README.md").read_text() == module("page").render(results(), run.STAGES)


def test_every_claim_belongs_to_a_stage_and_every_stage_says_where_it_comes_from(module):
    stages = module("run").STAGES
    assert {claim.stage for claim in module("page").CLAIMS} == set(stages)
    for name, stage in results().items():
        assert name in stages
        assert len(stage["commit"]) == 40 and stage["command"].startswith(f"python experiments/claims/run.py {name}")
        assert {"seed", "date", "machine", "result"} <= set(stage)


def test_costs_are_those_of_the_networks_as_they_are_now(module):
    assert json.loads(json.dumps(module("costs").run())) == results()["costs"]["result"]


def test_equal_costs_of_spindle_and_hourglass(module):
    shapes = results()["costs"]["result"]["shapes"]
    for other in ("hourglass", "separable hourglass"):
        assert shapes[other]["macs"] == pytest.approx(shapes["spindle"]["macs"], rel=0.01)


@pytest.mark.parametrize(
    ("rule", "arguments", "verdict"),
    [
        ("all_or_none", ([True, True],), "reproduced"),
        ("all_or_none", ([True, False],), "mixed"),
        ("all_or_none", ([False, False],), "refuted"),
        ("near", ([(101, 100), (2.02, 2)], 0.02), "reproduced"),
        ("near", ([(101, 100), (3, 2)], 0.02), "mixed"),
        ("above", ((0.1, 0.3),), "reproduced"),
        ("above", ((-0.3, -0.1),), "refuted"),
        ("above", ((-0.1, 0.1),), "mixed"),
        ("below", ((0.8, 0.9), 1.0), "reproduced"),
        ("below", ((1.1, 1.2), 1.0), "refuted"),
        ("below", ((0.9, 1.1), 1.0), "mixed"),
        ("faster_by", (0.85, 0.86, (0.84, 0.88)), "reproduced"),
        ("faster_by", (0.85, 0.95, (0.94, 0.96)), "mixed"),  # surely faster, but by a third of what was claimed
        ("faster_by", (0.85, 0.90, (0.80, 1.01)), "mixed"),  # enough, but not surely
        ("faster_by", (0.85, 1.10, (1.05, 1.15)), "refuted"),
        ("share_of", (8.0, 7.0), "reproduced"),
        ("share_of", (8.0, 5.0), "mixed"),
        ("share_of", (8.0, 3.0), "refuted"),
        ("together", (["refuted", "refuted"],), "refuted"),
        ("together", (["refuted", "reproduced"],), "mixed"),
    ],
)
def test_rules(module, rule, arguments, verdict):
    assert getattr(module("verdicts"), rule)(*arguments) == verdict


def trained(**top1: str) -> dict[str, list[dict]]:
    """Made-up runs: for each network which test images it has right."""
    kept = {"model": "", "seed": 0, "params": 1, "macs": 10, "epochs": 9, "seconds": 60, "train_loss": 1.0}
    return {name: [{"network": name, **kept, "right": right}] for name, right in top1.items()}


def test_a_twin_that_loses_too_much_refutes(module):
    few, many = "10" * 500, "1110" * 250  # 50 % and 75 % of 1,000
    claims, summary = module("claims_training"), module("twins").summary
    found = summary(trained(full=many, separable=few, thin=few, shallow=many))
    assert found["rows"][0]["top1"] == 0.75
    assert claims.one_percent(found)[0] == "refuted"
    assert claims.thin(found)[0] == "refuted"
    found = summary(trained(full=few, separable=few, thin=many, shallow=few))
    assert claims.one_percent(found)[0] == "reproduced"
    verdict, words = claims.thin(found)
    assert verdict == "reproduced" and "+25.0 points" in words
    found["rows"][0]["epochs"] = 5  # another training is no comparison
    assert claims.thin(found)[0] == "mixed"


def test_seeds_are_averaged_image_by_image(module):
    twins = module("twins")
    assert twins.mean_right([{"right": "110"}, {"right": "100"}]) == [1.0, 0.5, 0.0]


def test_speed_claims_on_made_up_times(module):
    claims = module("claims_speed")

    def times(**medians: float) -> dict[str, dict[str, float]]:
        return {
            name.replace("_hourglass", " hourglass"): {"median_ms": ms, "low_ms": ms * 0.99, "high_ms": ms * 1.01}
            for name, ms in medians.items()
        }

    def verdict(judge, group, **medians):
        return judge({"groups": {group: times(**medians)}})[0]

    assert verdict(claims.generations, "generations", mobilenet_v2=10, mobilenet_v3_large=8.5) == "reproduced"
    assert verdict(claims.generations, "generations", mobilenet_v2=10, mobilenet_v3_large=11) == "refuted"
    assert verdict(claims.gates, "gates", sigmoid=10, hswish=10.1) == "reproduced"
    assert verdict(claims.gates, "gates", sigmoid=10, hswish=9) == "refuted"
    assert verdict(claims.spindle, "shapes", spindle=1, hourglass=2, separable_hourglass=2) == "reproduced"
    assert verdict(claims.spindle, "shapes", spindle=1, hourglass=2, separable_hourglass=0.5) == "mixed"


def test_dead_kernels_that_nobody_misses(module):
    judge = module("claims_weights").dead

    def network(dead: int, change: float, changed: float = 0.0) -> dict:
        cut = {"largest_change": change, "answers_changed": changed}
        return {"layers": [{"kernels": 8, "dead": dead, "constant": dead}], "logits_std": 2.0, "cut_dead": cut}

    assert judge({"networks": [network(1, 0.001), network(0, 0.0)]})[0] == "reproduced"
    assert judge({"networks": [network(1, 0.5)]})[0] == "refuted"
    assert judge({"networks": [network(0, 0.0)]})[0] == "refuted"


def test_relu_loses_what_the_law_says(module):
    for row in results()["relu"]["result"]["rows"]:
        low, high = row["collapsed"]["interval"]
        assert low - 0.02 <= row["collapsed_expected"] <= high + 0.02

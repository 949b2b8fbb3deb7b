"""The page, the plots and the table of `bench --zoo`, of invented times."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from matplotlib.figure import Figure

from pocketvision.report import zoo_page, zoo_plots
from pocketvision.zoo.analysis import pairs
from pocketvision.zoo.networks import members
from pocketvision.zoo.run import findings


def document(slow: float = 40.0) -> dict[str, Any]:
    """Six networks with invented times: `shufflenet_v2` takes `slow` ms."""
    invented = {
        "mobilenet_v2_0.35_96": (12e6, 1.0),
        "mobilenet_v2": (300e6, 12.0),
        "mobilenet_v3_small": (56e6, 4.0),
        "shufflenet_v2": (146e6, slow),
        "squeezenet_1.1_1.0_128": (105e6, 3.0),
        "resnet_50": (4089e6, 90.0),
    }
    rows = {
        name: {
            "ms": ms,
            "low_ms": 0.9 * ms,
            "high_ms": 1.1 * ms,
            "params": 1e6,
            "macs": macs,
            "max_error": 0,
            "error": None,
            "load": 0.25,
            "time": "2026-01-01T10:05:00+00:00",
        }
        for name, (macs, ms) in invented.items()
    }
    settings = {"runtime": "onnxruntime", "version": "1.2.3", "threads": 2, "device": None, "rounds": 9}
    machine = {"cpu": "<Fast> CPU", "cores": 2, "architecture": "x86_64", "versions": {"pocketvision": "0.1"}}
    moments = {"began": "2026-01-01T10:00:00+00:00", "ended": "2026-01-01T10:10:00+00:00"}
    timed = {"rows": rows, "settings": settings, "machine": machine, "load": {}, "pace": [0.9, 1.2], "warnings": []}
    return {"command": "pocketvision bench --zoo", **findings(members(list(invented)), {**timed, **moments})}


def test_the_page_says_what_was_found() -> None:
    zoo = document()
    page = zoo_page.render(zoo)
    # shufflenet_v2 against mobilenet_v2; mobilenet_v3_small against squeezenet_1.1
    assert zoo["pairs"]["wrong"] == 2 and zoo["pairs"]["total"] == 15
    assert "<h1>Multiply-adds order 13.3 % of the pairs of networks wrongly</h1>" in page
    assert (
        "mobilenet_v2 has 2.1 times the multiply-adds of shufflenet_v2, and yet shufflenet_v2 takes 3.3 times as"
        in page
    )
    assert "changed by a factor of 1.3 between batches" in page
    assert page.count('<tr class="chosen">') == len(zoo["front"]) == 4
    assert "on 2 threads of &lt;Fast&gt; CPU" in page and "<Fast>" not in page
    assert "squeezenet_1.1_1.0_128: 3.00 ms, 48.0 % (estimated)" in page  # over its hollow point
    assert "<i>≈&nbsp;48.0" in page and "megvii-model/ShuffleNet-Series README.md" in page
    assert "pocketvision bench --zoo</pre>" in page and page == zoo_page.render(zoo)
    assert "<script" not in page and not re.search(r"(?:src|href)=[\"']?(?:https?:|//)", page)


def test_the_page_of_little() -> None:
    assert "Multiply-adds order every pair of networks as time does" not in zoo_page.render(document())
    zoo = document()
    one = {**zoo, "rows": zoo["rows"][:1], "pairs": pairs(zoo["rows"][:1]), "correlation": None}
    assert "1 network timed, no pair to compare" in zoo_page.render(one)
    unclear = {**zoo, "pairs": {**zoo["pairs"], "wrong": 0, "unclear": 2, "share": 0.0, "shown": []}}
    assert "<h1>Multiply-adds order no pair of networks wrongly, beyond noise</h1>" in zoo_page.render(unclear)
    agreed = {**unclear, "pairs": {**unclear["pairs"], "unclear": 0}}
    assert "<h1>Multiply-adds order every pair of networks as time does</h1>" in zoo_page.render(agreed)


def test_the_table() -> None:
    rows = list(csv.DictReader(io.StringIO(zoo_page.csv_text(document()))))
    assert [each["name"] for each in rows][:2] == ["mobilenet_v2_0.35_96", "squeezenet_1.1_1.0_128"]
    assert rows[0]["pareto"] == "yes" and rows[1]["pareto"] == "no" and rows[1]["source"] == ""
    assert (rows[0]["cpu"], rows[0]["load"], rows[0]["time"]) == ("<Fast> CPU", "0.25", "2026-01-01T10:05:00+00:00")
    assert rows[0]["source"].endswith("mobilenet/README.md") and float(rows[0]["top1"]) == pytest.approx(0.455)


@pytest.mark.parametrize("values", [[11e6], [0.95], [2.2, 4.4], [12e6, 95e6], [1.0, 900.0]])
@pytest.mark.parametrize("steps", [(1,), (1, 3), (1, 2, 5)])
def test_a_small_zoo_has_ticks_too(values: list[float], steps: tuple[int, ...]) -> None:
    axes = Figure().add_subplot(xscale="log")
    zoo_plots._log_ticks(axes, values, "x", steps)
    left, right = axes.get_xlim()
    assert left < min(values) and right > max(values)
    assert 2 <= len([tick for tick in axes.get_xticks() if left <= tick <= right]) <= 10


def test_warnings_of_all_kinds_are_counted() -> None:
    said = zoo_page.notes({**document(), "warnings": ["the machine was busy", "the clock changed", "another"]})
    assert "The machine was busy (3 warnings in all)." in said

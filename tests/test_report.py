"""The report: the HTML page, its plots, its words and numbers."""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pocketvision.report import text, words, write_report
from pocketvision.report.page import render
from pocketvision.report.terminal import verdict_panel

FAMILIES = {  # family: (parameters, multiply-adds, ImageNet top-1 at 224 px, ms per million multiply-adds)
    "mobilenet_v1": (4.23e6, 569e6, 0.709, 0.0125),
    "mobilenet_v2": (3.50e6, 301e6, 0.719, 0.0190),
    "mobilenet_v3_large": (5.48e6, 217e6, 0.752, 0.0215),
    "mobilenet_v3_small": (2.54e6, 57e6, 0.677, 0.0280),
}
SMALL = list("0123456789")


def sample_candidates(budget_ms: float = 4.0) -> list[dict[str, Any]]:
    """60 candidates as a fit on photographs compares them: 4 families x 3 widths x 5 resolutions."""
    chance = random.Random(3)
    found: list[dict[str, Any]] = []
    for family, (params, macs, top1, speed) in FAMILIES.items():
        for width in (1.0, 0.75, 0.5):
            for side in (224, 192, 160, 128, 96):
                cost = macs * width**1.85 * (side / 224) ** 2
                ms = cost / 1e6 * speed * chance.uniform(0.92, 1.1) + 0.12
                timed = not (width == 0.5 and side in (192, 128) or ms > 2.2 * budget_ms)
                found.append({
                    "model": family, "family": family, "width": width, "resolution": side,
                    "params": round(params * width**1.7), "macs": round(cost),
                    "latency_ms": ms if timed else None,
                    "latency_interval_ms": [ms * 0.99, ms * 1.015] if timed else None,
                    "predicted_ms": None if timed else ms * 1.05, "timed": timed, "fits": ms * 1.015 < budget_ms,
                    "score": top1 - 0.095 * math.log2(1 / width) - 0.085 * math.log2(224 / side) ** 1.25,
                    "score_source": "published" if side in (224, 160) else "estimated",
                    "pretrained": family == "mobilenet_v2" and width == 1, "chosen": False,
                })  # fmt: skip
    fitting = [item for item in found if item["fits"] and item["timed"]]
    max(fitting, key=lambda item: item["score"])["chosen"] = True
    return found


def sample_matrix(classes: int, images: int, mistakes: float) -> list[list[int]]:
    chance = random.Random(5)
    matrix = [[0] * classes for _ in range(classes)]
    for truth in range(classes):
        for _ in range(images + truth % 3):
            wrong = chance.random() < mistakes
            matrix[truth][min(classes - 1, int(chance.random() ** 2 * classes)) if wrong else truth] += 1
    return matrix


def sample_report(classes: list[str] | None = None, mistakes: float = 0.05) -> dict[str, Any]:
    """What a real run writes: 60 candidates of 4 families, 40 epochs, ten classes unless told otherwise."""
    classes = SMALL if classes is None else classes
    chance = random.Random(1)
    candidates = sample_candidates()
    chosen = next(item for item in candidates if item["chosen"])
    matrix = sample_matrix(len(classes), 36, mistakes)
    images, right = sum(map(sum, matrix)), sum(matrix[i][i] for i in range(len(classes)))
    epochs = [
        {"epoch": epoch, "train_loss": 1.9 * math.exp(-epoch / 7) + 0.52 + chance.uniform(0, 0.03),
         "val_loss": 1.7 * math.exp(-epoch / 6) + 0.58 + chance.uniform(0, 0.06),
         "val_top1": right / images * (1 - 0.85 * math.exp(-epoch / 4)) - chance.uniform(0, 0.008),
         "lr": 1e-3 * math.cos(epoch / 40 * math.pi / 2), "images_per_second": 412.0, "seconds": 7.4}
        for epoch in range(1, 41)
    ]  # fmt: skip
    median = chosen["latency_ms"]
    return {
        "verdict": {
            "model": chosen["model"], "split": "test", "top1": right / images,
            "top1_interval": [right / images - 0.021, min(1, right / images + 0.017)], "images": images,
            "latency_ms": median, "latency_interval_ms": [median * 0.99, median * 1.015], "p10_ms": median * 0.97,
            "p90_ms": median * 1.09, "budget_ms": 4.0, "budget_met": True, "runtime": "onnxruntime", "threads": 1,
            "size_bytes": 13_912_345, "params": chosen["params"], "macs": chosen["macs"], "width": chosen["width"],
            "resolution": chosen["resolution"], "channels": 3, "classes": len(classes),
            "pretrained": "mobilenet_v2-b0353104.pth", "decode_ms": 2.31,
            "reason": "Of the 60 candidates 38 fit into 4 ms on this machine. Of those, this one has the highest "
                      "accuracy to expect; the next best would have been 0.4 points lower and 0.3 ms faster.",
        },
        "export_check": {"images": images, "top1_agreement": 1.0, "max_abs_error": 3.1e-7, "runtime": "onnxruntime",
                         "top1": right / images},
        "candidates": candidates,
        "training": {"recipe": {"optimizer": "adamw", "learning_rate": 1e-3, "batch_size": 64, "warmup_epochs": 2,
                                "label_smoothing": 0.1, "mean_decay": 0.998, "flip": True, "mixup": None,
                                "crop_scale": [0.35, 1.0]},
                     "epochs": epochs, "seconds": 296.4, "images_per_second": 411.7},
        "confusion": {"classes": classes, "matrix": matrix},
        "data": {"name": "ants_bees", "source": "data/ants_bees.tar", "classes": classes,
                 "splits": {split: {name: n + 7 * (i % 3) for i, name in enumerate(classes)}
                            for split, n in (("train", 116), ("val", 30), ("test", 36))}},
        "machine": {"cpu": "Intel(R) Xeon(R) Processor @ 2.10GHz", "cores": 2, "system": "Linux 6.1 x86_64",
                    "python": "3.11.9", "load": [0.42, 0.31, 0.22],
                    "versions": {"torch": "2.14.1", "onnxruntime": "1.23.0", "numpy": "2.4.6"}},
        "command": "pocketvision fit data/ants_bees.tar --budget 4ms --threads 1 --time 8m --out runs/ants",
        "version": "0.1.0", "created": "2025-11-22T14:05:00+00:00", "seed": 0,
        "notes": ["The machine was busy while the candidates were timed (load 1.9 on 2 cores)."],
    }  # fmt: skip


def small_report(classes: list[str] | None = None) -> dict[str, Any]:
    """The sample with less to draw: a few candidates, three classes with many mistakes."""
    report = sample_report(["ant", "bee", "wasp"] if classes is None else classes, mistakes=0.3)
    report["candidates"] = [item for item in report["candidates"] if item["width"] == 0.75 or item["chosen"]]
    return report


class Page(HTMLParser):
    """What a browser sees: the tags with their attributes, and the text outside of style sheets."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text("utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)


@pytest.fixture
def write(tmp_path):
    def write_page(report: dict[str, Any]) -> Page:
        write_report(report, tmp_path / "report.html")
        return Page(tmp_path / "report.html")

    return write_page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The sample's page, for the tests that only look at it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    report = sample_report()
    write_report(report, path)
    assert report == sample_report()  # writing leaves the dict as it is
    return Page(path)


def test_page_holds_every_section_in_order(page):
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert sections == ["verdict", "candidates-plot", "confusion", "learning", "export", "candidates", "data",
                        "machine", "command", "recipe"]  # fmt: skip
    for shown in ("mobilenet_v3_large, 192 px", "Within the budget of 4 ms", "3.84 ms", "13.9 MB", "5.48 M parameters",
                  "Of the 60 candidates", "40 epochs in 4 min 56 s", "the same answer on all 369 images", "45 more",
                  "2 009 images, 10 classes", "Intel(R) Xeon(R)", "--time 8m", "warmup epochs", "seed"):  # fmt: skip
        assert shown in page.text, shown


def test_page_asks_for_nothing_outside_itself(page):
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "audio", "video", "form", "base"}
    for tag, attrs in page.tags:
        for key in ("src", "href", "xlink:href", "clip-path", "style"):
            value = attrs.get(key) or ""
            for target in [value] if key.endswith(("src", "href")) and value else re.findall(r"url\(([^)]*)", value):
                assert target.startswith(("#", "data:")), (tag, key, target)
    assert set(re.findall(r"https?://[^\s\"'<]+", page.source)) <= {"http://www.w3.org/2000/svg"}


def test_ids_are_unique_and_references_meet_one(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert len(re.findall("<svg", page.source)) == 6  # three plots, wide and narrow
    references = re.findall(r"(?:href=\"|url\()#([^\")]+)", page.source)
    assert references and set(references) <= set(ids)


def test_names_are_text_never_markup(write):
    names = ["<b>bold</b>", "🐝 bee", "$x^2$ & more", 'quo"te', "<script>alert(1)</script>"]
    report = small_report(names)
    report["verdict"]["model"] = report["candidates"][0]["model"] = report["candidates"][0]["family"] = "<i>net</i>"
    report["command"], report["notes"], report["data"]["name"] = "run '<u>x</u>'", ["<em>careful</em>"], "<s>data</s>"
    page = write(report)
    assert not {tag for tag, _ in page.tags} & {"script", "u", "em", "s"}
    assert sum(tag == "b" for tag, _ in page.tags) == 2  # the template's own
    assert sum(tag == "i" for tag, _ in page.tags) == 4  # the parts of the bar
    for name in [*names, "<i>net</i>", "run '<u>x</u>'", "<em>careful</em>", "<s>data</s>"]:
        assert name in page.text, name
    plots = [text for text in re.findall(r"<svg.*?</svg>", page.source, flags=re.S) if "confusion" in text]
    assert len(plots) == 2 and all("🐝 bee" in plot for plot in plots) and "&lt;b&gt;bold&lt;/b&gt;" in plots[0]


def test_names_that_no_file_can_hold(write):
    page = write(small_report(["bell\x07", "half \ud83d", "two\nlines"]))
    assert "bell\ufffd" in page.text and "half \ufffd" in page.text and "two lines" in page.text


def test_same_report_same_bytes(page, tmp_path):
    program = """if True:
        import json, sys
        from pocketvision.report import write_report
        write_report(json.load(sys.stdin), sys.argv[1])
    """
    path, environment = tmp_path / "again.html", {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", program, str(path)]
    subprocess.run(command, input=json.dumps(sample_report()), text=True, check=True, env=environment)
    assert path.read_text("utf-8") == page.source


def without(*keys: str) -> dict[str, Any]:
    report = small_report()
    for key in keys:
        parent, _, child = key.rpartition(".")
        (report[parent] if parent else report)[child] = None
    return report


def one_epoch() -> dict[str, Any]:
    report = small_report()
    report["training"]["epochs"] = [{"epoch": 1, "train_loss": math.nan, "val_loss": 0.5, "val_top1": 0.5}]
    return report


def nothing_timed() -> dict[str, Any]:
    report = small_report()
    for item in report["candidates"]:
        item |= {"latency_ms": None, "predicted_ms": None, "timed": False, "score": math.nan}
    return report


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({}, ["no network", "No latency budget was set", "No epoch was trained", "has not been checked"]),
        (without(*sample_report()), ["no network", "No candidate was compared"]),
        (
            without("verdict.latency_ms", "training.epochs"),
            ["Not timed against the budget of 4 ms", "No epoch was trained"],
        ),
        (
            without("verdict.top1", "verdict.p10_ms", "export_check.images", "data.splits", "training.recipe"),
            ["3.84 ms", "the same answer on 100.00 % of the images", "0 images, 3 classes"],
        ),
        (one_epoch(), ["1 epoch in", "best 50.0 % in epoch 1"]),
        (nothing_timed(), ["No candidate was compared", "mobilenet_v1 × 0.75, 224 px"]),
    ],
    ids=["empty", "all-none", "no-latency", "no-accuracy", "one-epoch", "untimed"],
)
def test_missing_parts_leave_a_page(write, report, said):
    page = write(report)
    assert all(words in page.text for words in said), said
    assert not re.search(r"\b(nan|None|inf)\b", page.text)
    verdict_panel(report, Console(file=io.StringIO()))


@pytest.mark.parametrize("classes", [2, 10, 30])
def test_confusion_matrix_counts_every_image(classes):
    from pocketvision.report.plots import confusion_matrix

    matrix = sample_matrix(classes, 40, 0.2)
    drawn = [int(n) for n in re.findall(r">(\d+)</", confusion_matrix(["c"] * classes, matrix, narrow=True))]
    assert sum(drawn) == sum(map(sum, matrix))


def test_many_classes_show_the_most_confused_pairs(write):
    report = small_report([f"kind {i}" for i in range(40)])
    report["confusion"]["matrix"][7][9] = 31
    page = write(report)
    assert not [attrs for tag, attrs in page.tags if "confusion" in (attrs.get("id") or "") and tag == "g"]
    assert re.search(r"of its class\s+kind 7\s+kind 9\s+31 of", page.text)


def test_timed_is_filled_and_not_timed_hollow():
    from pocketvision.report.plots import accuracy_over_latency

    candidates = sample_candidates()
    svg = accuracy_over_latency(candidates, 4.0)
    points = re.findall(r'<g id="latency-w-point\d+"><title>([^<]*)</title>(.*?)</g></g>', svg, flags=re.S)
    assert len(points) == 60
    hollow = [title for title, drawn in points if re.search(r"<use[^>]*fill: var\(--paper", drawn)]
    assert len(hollow) == sum(not item["timed"] for item in candidates) > 0
    assert all("(not timed)" in title for title in hollow)
    assert svg.count("mobilenet_v3_large, 192 px</text>") == 1 and "budget 4 ms</text>" in svg


def test_latency_axis_is_logarithmic_only_for_wide_ranges():
    from pocketvision.report.plots import accuracy_over_latency

    candidates = sample_candidates()
    near = [item for item in candidates if (item["latency_ms"] or 0) > 2]
    assert "(log scale)" in accuracy_over_latency(candidates, 4.0)
    assert "(log scale)" not in accuracy_over_latency(near, 4.0)
    assert accuracy_over_latency(near[:1], None).count("<title>") == 1
    assert accuracy_over_latency([], 4.0) == ""


def test_a_missed_budget_is_said_plainly(write):
    report = small_report()
    report["verdict"] |= {"budget_ms": 3.0, "budget_met": False}
    page = write(report)
    assert "Over the budget of 3 ms by 28 %" in page.text and "Within the budget" not in page.text


@pytest.mark.parametrize(
    ("verdict", "state", "said"),
    [
        ({"latency_ms": 1.0, "latency_interval_ms": [0.9, 1.1], "budget_ms": 1.2}, "good", "within"),
        ({"latency_ms": 1.0, "latency_interval_ms": [0.9, 1.1], "budget_ms": 1.05}, "bad", "interval reaches above"),
        ({"latency_ms": 1.5, "latency_interval_ms": [1.4, 1.6], "budget_ms": 1.2}, "bad", "by 25 %"),
        ({"latency_ms": 1.0, "budget_ms": 1.2, "budget_met": False}, "bad", "not surely within"),
        ({"latency_ms": math.nan, "budget_ms": 1.2}, "unknown", "not timed"),
        ({"latency_ms": 1.0, "budget_ms": None}, "unknown", "no latency budget"),
    ],
)
def test_budget_is_kept_when_the_interval_lies_below(verdict, state, said):
    statement = words.budget(verdict)
    assert statement.state == state and said in statement.text


@pytest.mark.parametrize(
    ("check", "state", "said"),
    [
        ({"images": 360, "top1_agreement": 1.0, "max_abs_error": 3.1e-7}, "good", "all 360 images"),
        ({"images": 360, "top1_agreement": 359 / 360, "max_abs_error": 3.1e-7}, "bad", "359 of 360"),
        ({"images": 360, "top1_agreement": 1.0, "max_abs_error": 2e-4}, "bad", "2.0e-04"),
        ({"images": 360, "top1_agreement": 1.0, "max_abs_error": 0.0}, "good", "last bit"),
        ({}, "unknown", "not been checked"),
    ],
)
def test_export_check_in_words(check, state, said):
    statement = words.export(check)
    assert statement.state == state and said in statement.text


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.milliseconds(0.21234), "0.212 ms"),
        (text.milliseconds(9.996), "10.0 ms"),
        (text.milliseconds(1234.4), "1\u202f234 ms"),
        (text.milliseconds(None), "–"),
        (text.limit(0.3), "0.3 ms"),
        (text.percent(0.98333), "98.3 %"),
        (text.percent(0.99996), "99.996 %"),
        (text.percent(1), "100.0 %"),
        (text.percent(math.nan), "–"),
        (text.percent_interval([0.964, 0.992]), "96.4–99.2 %"),
        (text.percent_interval([None, 0.992]), "–"),
        (text.count(3_504_872), "3.50 M"),
        (text.count(300_774_272), "301 M"),
        (text.count(999_600), "1.00 M"),
        (text.count(850), "850"),
        (text.count(0), "0"),
        (text.size(13_912_345), "13.9 MB"),
        (text.size(812), "812 bytes"),
        (text.duration(7.42), "7.4 s"),
        (text.duration(192), "3 min 12 s"),
        (text.duration(59.6), "1 min 00 s"),
        (text.duration(3900), "1 h 05 min"),
        (text.resolution((160, 128)), "160 × 128 px"),
        (text.resolution([96, 96]), "96 px"),
        (text.shorten("a_very_long_name_12", 11), "a_ver…me_12"),
    ],
)
def test_numbers_as_people_read_them(shown, expected):
    assert shown == expected


@pytest.mark.parametrize(
    ("model", "width", "resolution", "expected"),
    [
        ("mobilenet_v1_0.75_192", 0.75, 192, "mobilenet_v1_0.75_192"),  # says it itself
        ("mobilenet_v2", 0.35, 96, "mobilenet_v2 × 0.35, 96 px"),
        ("mobilenet_v2", 1.0, [160, 128], "mobilenet_v2, 160 × 128 px"),
        ("mobilenet_v2", None, None, "mobilenet_v2"),
    ],
)
def test_network_name(model, width, resolution, expected):
    assert words.network_name({"model": model, "width": width, "resolution": resolution}) == expected


def test_a_name_breaks_only_before_its_numbers() -> None:
    report = small_report()
    report["verdict"] |= {"model": "mobilenet_v3_large_0.35_<16>", "width": 1, "resolution": None}
    page = render(report)
    assert "<h1>mobilenet_v3_large_<wbr>0.35_&lt;16&gt;</h1>" in page
    assert "<title>mobilenet_v3_large_0.35_&lt;16&gt;" in page  # what a browser's tab and a copied name show


def test_what_stands_for_a_guess_stays_with_its_number() -> None:
    page = render(small_report())
    assert "≈\u00a0" in page and not re.search("≈ ?[0-9]", page)


def test_pretrained_is_said_where_it_is() -> None:
    page = render(small_report())
    assert page.count('<span class="small">pretrained</span>') == 0 and ">weights<" not in page
    report = small_report()
    report["candidates"][0]["pretrained"] = True
    assert render(report).count('<span class="small">pretrained</span>') == 1

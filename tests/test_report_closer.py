"""The sections of the closer look: pictures, trust, layers, the doctor's findings."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pocketvision.report import words, write_report
from pocketvision.report.closer import file_names, findings, kinds
from pocketvision.report.pictures import Picture, picture
from pocketvision.report.trust import trust
from test_report import Page, sample_report, small_report

HOSTILE = '<img src=x onerror="alert(1)">.jpg'


def bins(shift: float) -> list[dict[str, Any]]:
    return [
        {"confidence": c, "accuracy": min(1.0, c + shift), "interval": [c - 0.1, min(1.0, c + 0.1)], "images": 30}
        for c in (0.55, 0.7, 0.85, 0.95, 0.99)
    ]


def closer_parts() -> dict[str, Any]:
    """What a run adds to its report for these sections."""

    def entry(image: str, probability: float) -> dict[str, Any]:
        return {"image": image, "label": "<b>ant</b>", "answer": "bee", "probability": probability,
                "label_probability": 1 - probability}  # fmt: skip

    return {
        "calibration": {
            "temperature": 1.7, "threshold": 0.71, "wanted": 0.96, "fitted_on": {"split": "val", "images": 90},
            "split": "test", "images": 150, "top1": 0.92, "coverage": [[i / 50, 1 - i / 625] for i in range(1, 51)],
            "before": {"ece": 0.08, "nll": 0.31, "bins": bins(-0.08)},
            "after": {"ece": 0.02, "nll": 0.25, "bins": bins(0.01)},
            "kept": {"images": 140, "right": 135, "wrong_set_aside": 7},
        },
        "mistakes": {"split": "test", "images": 150, "wrong": 12,
                     "worst": [entry(HOSTILE, 0.99)] + [entry(f"test/{i}.jpg", 0.9 - i / 50) for i in range(9)]},
        "doubtful": {"looked_at": 3000, "of": 4100, "contradicted": 31, "least": 0.01,
                     "images": [entry(f"train/{i}.jpg", 0.9) for i in range(3)]},
        "profile": {"ms": 8.9, "threads": 1, "runtime": "torch", "kinds": {
            "dense": {"ms": 0.0, "share_ms": 0.0, "share_macs": 0.0, "share_params": 0.0},
            "depthwise": {"ms": 3.1, "share_ms": 0.412, "share_macs": 0.031, "share_params": 0.02},
            "pointwise": {"ms": 4.4, "share_ms": 0.588, "share_macs": 0.969, "share_params": 0.98}}},
        "doctor": {
            "images": 4300,
            "findings": [{"severity": "note", "text": "Few images."}, {"severity": "error", "text": "<i>bad</i>"},
                         {"severity": "warning", "text": "Leaks."}, {"text": ""}],
            "unreadable": [{"image": HOSTILE, "reason": "cut off"}],
            "duplicates": [{"images": ["train/a.jpg", "val/b.jpg"], "near": True, "across_splits": True,
                            "labels": ["ant"]}],
            "suspicious": [{"image": f"train/{i}.jpg", "label": "ant", "neighbours_say": "bee", "share": 0.9}
                           for i in range(70)],
        },
    }  # fmt: skip


def sample_pictures() -> dict[str, Picture]:
    pixels = np.full((24, 24, 3), 90, np.uint8)
    shown = picture(pixels, np.eye(24, dtype=np.float32))
    return {name: shown for name in [HOSTILE, *(f"test/{i}.jpg" for i in range(8)), "train/0.jpg"]}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("closer") / "report.html"
    write_report(small_report() | closer_parts(), path, sample_pictures())
    return Page(path)


def test_sections_in_the_order_in_which_a_person_asks(page: Page) -> None:
    sections = [attrs["id"] for tag, attrs in page.tags if tag == "section"]
    assert sections[:8] == ["verdict", "candidates-plot", "confusion", "mistakes", "trust", "doubtful", "doctor",
                            "learning"]  # fmt: skip
    links = [(attrs["href"] or "")[1:] for tag, attrs in page.tags if tag == "a"]
    assert len(links) >= 9 and set(links) <= set(sections)
    for said in ('Below 71.0 % it says "unsure": that sets 10 of 150 images aside (6.7 %)', "96.4 % of the 140 that",
                 "of the others 96.4 % are right instead of 92.0 %", "was too sure", "from 8.0 % to 2.0 %",
                 "found on 90 images of the val split", "12 were answered wrongly", "answered bee with 99.0 %",
                 "3 000 that were looked at (4 100 in all)", "it answers 31 otherwise",
                 "labelled <b>ant</b> (10.0 %) , rather bee (90.0 %)", "1 × 1 convolution", "41.2 %",
                 "in PyTorch, 1 thread", "and 20 more.", "nearly equal, across splits"):  # fmt: skip
        assert said in page.text.replace("\N{NO-BREAK SPACE}", " "), said


@pytest.mark.parametrize(
    ("runtime", "said"),
    [("onnxruntime", "in ONNX Runtime, 1 thread"), ("torch", "The exported file has batch normalisation")],
)
def test_where_the_time_goes_says_what_was_looked_into(runtime: str, said: str, tmp_path: Path) -> None:
    content = small_report() | closer_parts()
    content["profile"] = {**content["profile"], "runtime": runtime}
    write_report(content, tmp_path / "report.html")
    text = Page(tmp_path / "report.html").text.replace("\N{NO-BREAK SPACE}", " ")
    assert said in text and ("This is the file that ships." in text) == (runtime == "onnxruntime")


def test_pictures_are_inside_the_page_and_nothing_is_fetched(page: Page) -> None:
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 2 * 10  # photo and heat of those that have pictures
    assert all((attrs["src"] or "").startswith("data:image/jpeg;base64,") for attrs in images)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "audio", "video", "form", "base"}
    for _, attrs in page.tags:
        assert not {key for key in attrs if key.startswith("on")}
        for key in ("src", "href", "xlink:href", "srcset", "style"):
            value = attrs.get(key) or ""
            targets = re.findall(r"url\(([^)]*)", value) if key == "style" else [value]
            assert all(not target or target.startswith(("#", "data:")) for target in targets), value[:80]
    assert set(re.findall(r"https?://[^\s\"'<]+", page.source)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in page.source


def test_hostile_names_are_text(page: Page) -> None:
    assert page.text.count(HOSTILE) == 2  # under its picture, and in the doctor's list
    assert sum(attrs.get("alt") == HOSTILE for _, attrs in page.tags) == 1
    assert "<b>ant</b>" in page.text and "<i>bad</i>" in page.text


def test_ids_stay_unique(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids)) and any((key or "").startswith("trust-n") for key in ids)


def test_a_run_without_these_parts_has_none_of_the_sections(tmp_path) -> None:
    new = {"mistakes", "trust", "doubtful", "doctor", "layers"}
    for report in (sample_report(), sample_report() | dict.fromkeys(closer_parts())):
        write_report(report, tmp_path / "report.html", {})
        page = Page(tmp_path / "report.html")
        assert not {attrs.get("id") for tag, attrs in page.tags if tag == "section"} & new
        assert not {attrs["href"] for tag, attrs in page.tags if tag == "a"} & {f"#{name}" for name in new}
        assert "it is sure of" not in page.text


@pytest.mark.parametrize("key", ["calibration", "mistakes", "doubtful", "profile", "doctor"])
def test_each_part_may_be_hollow(key: str, tmp_path) -> None:
    for part in ({}, {name: None for name in closer_parts()[key]}, {name: math.nan for name in closer_parts()[key]}):
        write_report(small_report() | closer_parts() | {key: part}, tmp_path / "report.html")
        text = Page(tmp_path / "report.html").text
        assert not re.search(r"\b(nan|None|inf)\b", text)


def test_without_pictures_the_words_stay(tmp_path) -> None:
    write_report(small_report() | closer_parts(), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert not any(tag == "img" for tag, _ in page.tags) and "test/3.jpg" in page.text
    assert "Beside each image" not in page.text


def test_trust_is_drawn_from_what_there_is() -> None:
    calibration = closer_parts()["calibration"]
    for narrow in (False, True):
        drawn = trust(calibration, narrow)
        assert "below 71.0 %: unsure" in drawn and ">before<" in drawn and ">after<" in drawn
    same = trust(calibration | {"temperature": 1, "kept": None})
    assert ">before<" not in same and "unsure" not in same and same.startswith("<svg")
    assert trust({}) == trust(calibration | {"coverage": []}) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold": None}, ""),
        ({"kept": None}, ""),
        ({"kept": {"images": 0, "right": 0}}, "sets 150 of 150 images aside (100.0 %), which is all of them."),
        ({"top1": None}, "and of the others 96.4 % are right."),
    ],
)
def test_rejection_in_words(change: dict[str, Any], said: str) -> None:
    assert words.rejection(closer_parts()["calibration"] | change).endswith(said) is True
    assert bool(words.rejection(closer_parts()["calibration"] | change)) == bool(said)


def test_temperature_in_words() -> None:
    calibration = closer_parts()["calibration"]
    assert "too sure" in words.temper(calibration) and "too modest" in words.temper(calibration | {"temperature": 0.7})
    assert "as training left them" in words.temper(calibration | {"temperature": 1.0})
    assert words.temper({}) == ""


def test_small_things() -> None:
    parts = closer_parts()
    assert [row["name"] for row in kinds(parts["profile"])] == ["1 × 1 convolution", "depthwise convolution"]
    assert [row["text"] for row in findings(parts["doctor"])] == ["<i>bad</i>", "Leaks.", "Few images."]
    assert file_names(["a", "b"]) == "a, b" and file_names([*"abcdefghijklmn"]).endswith("l and 2 more")


def test_kinds_that_take_nothing_have_no_row() -> None:
    amounts = {"ms": 0.0, "share_ms": 0.0, "share_macs": 0.0, "share_params": 0.01}
    layers = {"kinds": {"batchnorm": amounts, "pointwise": {**amounts, "ms": 1.0, "share_ms": 1.0}}}
    assert [row["ms"] for row in kinds(layers)] == [1.0]

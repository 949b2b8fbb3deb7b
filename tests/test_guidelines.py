"""The experiments are what they say, verdicts follow from intervals, and the sentences from the numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pocketvision.blocks import Conv
from pocketvision.commands.guidelines import guidelines as command
from pocketvision.errors import InputError
from pocketvision.guidelines import advice, guidelines, run
from pocketvision.guidelines.experiment import Claim, Experiment, Variant, stack
from pocketvision.guidelines.table import claims
from pocketvision.guidelines.timing import Ready, Recorder, Times
from pocketvision.guidelines.verdict import Ratio, ratio, verdict
from pocketvision.measure.count import count
from pocketvision.measure.latency import time_interleaved
from pocketvision.network import build_meta
from pocketvision.report.guidelines import markdown

ALL = [make() for make in run.EXPERIMENTS.values()]
NAMES = [experiment.name for experiment in ALL]


def tiny() -> Experiment:
    """Two networks of a few pixels, for what runs a runtime."""
    variants = tuple(
        Variant(label, (stack(label, 8, (Conv(1, wide, "linear"), Conv(1, 8, "linear")), 8),), str(wide))
        for label, wide in (("1:1", 8), ("1:12", 96))
    )
    claim = Claim("G1", "unequal channels cost time", ("1:12",), ("1:1",))
    return Experiment("tiny", "Two of a kind", ("x1",), variants, (claim,), per_mac=True)


@pytest.mark.parametrize("experiment", ALL, ids=NAMES)
def test_an_experiment_is_whole(experiment: Experiment) -> None:
    labels = [variant.label for variant in experiment.variants]
    assert len(set(labels)) == len(labels)
    assert all(len(variant.specs) == len(experiment.columns) for variant in experiment.variants)
    for claim in experiment.claims:
        assert len(claim.slow) == len(claim.fast)
        assert {*claim.slow, *claim.fast} <= set(labels)
        assert all(0 <= column < len(experiment.columns) for column in claim.columns)
        assert claim.name in advice.SENTENCES
    assert set(experiment.published) <= set(labels)
    assert not experiment.published or labels[0] in experiment.published


def test_every_claim_has_a_name_of_its_own() -> None:
    names = [claim.name for experiment in ALL for claim in experiment.claims]
    assert sorted(names) == sorted(advice.SENTENCES)


@pytest.mark.parametrize("name", ["G1", "G2", "G3", "G4"])
def test_the_papers_variants_have_equal_multiply_adds(name: str) -> None:
    """As nearly as whole channels allow: (22, 44) and (9, 108) of the paper are 5 % below (32, 32)."""
    experiment = ALL[NAMES.index(name)]
    for column in range(len(experiment.columns)):
        macs = [count(build_meta(variant.specs[column])).macs for variant in experiment.variants]
        assert max(macs) / min(macs) < 1.08


@pytest.mark.parametrize("experiment", ALL[:4], ids=NAMES[:4])
def test_what_is_not_in_question_is_a_small_part(experiment: Experiment) -> None:
    """The colours' convolution and the classifier."""
    for variant in experiment.variants:
        rows = count(build_meta(variant.specs[0])).rows
        assert (rows[0].macs + rows[-1].macs) / sum(row.macs for row in rows) < 0.03


def test_the_paper_says_of_its_own_numbers_what_it_claims() -> None:
    told = {
        claim["name"]: claim["paper"]
        for experiment in ALL
        for claim in claims(experiment, Times(fake(experiment), fake_ms(experiment)))
    }
    # "8 groups is more than two times slower ... on GPU and up to 30% slower on ARM"; 4 fragments "3x slower" on GPU.
    assert told["G2"]["gpu"] > 2 and 1.3 < told["G2"]["arm"] < 1.44
    assert 2446 / 752 == pytest.approx(3.25, abs=0.01) and told["G3, series"]["arm"] == pytest.approx(1.02, abs=0.01)
    assert told["G1"]["arm"] > 1.2 and told["G1, round numbers"] is None and told["h-swish"] is None


def fake(experiment: Experiment) -> dict[tuple[str, int], Ready]:
    pixels: Any = None
    return {
        (variant.label, column): Ready(Path(), pixels, pixels, 10**6)
        for variant in experiment.variants
        for column in range(len(experiment.columns))
    }


def fake_ms(experiment: Experiment, slower: float = 1.0) -> dict[tuple[str, int], list[float]]:
    """Each variant `slower` than the one before."""
    labels = [variant.label for variant in experiment.variants]
    return {key: [slower ** labels.index(key[0]) + 0.001 * i for i in range(8)] for key in fake(experiment)}


def test_partners_are_compared_within_their_round() -> None:
    """A machine that slows down fourfold half way changes no ratio."""
    drift = [1.0] * 5 + [4.0] * 5
    found = ratio([[1.5 * x for x in drift], [6.0 * x for x in drift]], [drift, drift])
    assert found.median == pytest.approx(3.0) and found.low == found.high == pytest.approx(3.0)
    assert found.rounds == 10


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.07, 3.0, "holds"),
        (1.05, 3.0, "undecided"),
        (0.5, 1.03, "does not hold"),
        (0.99, 1.045, "undecided"),
        (0.9, 1.2, "undecided"),
    ],
)
def test_a_verdict_takes_the_whole_interval(low: float, high: float, expected: str) -> None:
    assert verdict(Ratio((low + high) / 2, low, high, 21)) == expected


def test_the_recorder_has_the_rounds_that_the_timing_sums_up() -> None:
    recorder = Recorder(lambda: None)
    latency = time_interleaved({"nothing": recorder}, rounds=7, seconds=0.0001)["nothing"]
    turn = latency.calls // latency.rounds + 1
    recorder.taken = [float(i) for i in range(len(recorder.taken))]  # what was noted, by its place
    first = len(recorder.taken) - 7 * turn  # the warm-up ends there
    middle = [first + turn * number + turn / 2 for number in range(7)]  # of all but a turn's first
    assert first > 0
    assert recorder.rounds(latency.rounds, latency.calls) == pytest.approx([1e3 * place for place in middle])


@pytest.mark.parametrize("slower", [1.0, 1.3])
@pytest.mark.parametrize("experiment", ALL, ids=NAMES)
def test_every_verdict_has_its_sentence(experiment: Experiment, slower: float) -> None:
    from pocketvision.guidelines.table import rows

    times = Times(fake(experiment), fake_ms(experiment, slower))
    found = claims(experiment, times)
    said = advice.advice(found, [{"name": experiment.name, "rows": rows(experiment, times)}], "onnxruntime", 1)
    assert [line["name"] for line in said] == [claim["name"] for claim in found]
    for line in said:
        assert line["sentence"].startswith("on this CPU with ONNX Runtime on 1 thread, ")
        assert not re.search(r"nan|None|-\d", line["sentence"]), line


def test_the_words_for_a_ratio() -> None:
    assert [advice.longer(x) for x in (1.62, 0.9, 1.001)] == ["62 % longer", "10 % less", "no longer"]


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_an_experiment_runs(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "EXPERIMENTS", {"tiny": tiny})
    report = guidelines(runtime, 1, limit=0)
    (table,), (claim,) = report["experiments"], report["guidelines"]
    assert table["rounds"] == 7 and table["max_error"] < 1e-3
    assert claim["verdict"] in ("holds", "does not hold", "undecided")
    assert report["machine"]["cpu"] and report["version"] and report["threads"] == 1
    text = markdown(json.loads(json.dumps(report)))
    assert "1:12" in text and report["rule"] in text


def test_the_command_prints_one_document_and_saves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "EXPERIMENTS", {"tiny": tiny})
    monkeypatch.setattr(run, "MOST_BATCHES", 1)
    command(out=tmp_path / "new" / "g.json", json=True)
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "new" / "g.json").read_text())
    command()
    assert "Two of a kind" in capsys.readouterr().out


def test_bad_input() -> None:
    with pytest.raises(InputError, match="'G7': choose among G1"):
        guidelines(only=["G7"])
    with pytest.raises(InputError, match="unknown runtime"):
        guidelines("onxruntime")
    with pytest.raises(InputError, match="at least 1"):
        guidelines(threads=-1)
    with pytest.raises(InputError, match="--threads 0"):
        command(threads=0)

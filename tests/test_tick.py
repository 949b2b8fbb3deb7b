"""The tick of a run: what it needs, what is missing without it, and the one command that helps most."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from conftest import Ran
from pocketvision.commands.app import make_app
from pocketvision.fitting.accuracy import Judgement
from pocketvision.fitting.lost import Lost, is_far_below, validated
from pocketvision.fitting.tick import could_learn_more, fit_command, latency_fields, tick
from pocketvision.measure.latency import Latency
from pocketvision.report import write_report
from pocketvision.report.terminal import verdict_panel
from pocketvision.report.verdict import conditions, without_tick
from pocketvision.training.history import History
from pocketvision.training.recipe import Recipe
from test_accuracy import answered, several
from test_report import Page

SETTINGS: dict[str, Any] = {
    "data": "my photos", "budget_ms": 5.0, "seconds": 480.0, "threads": 2, "runtime": "onnxruntime",
    "pretrained": None, "limits": {"macs": 100_000_000, "size": 4_000_000}, "seed": 3,
}  # fmt: skip
NAMES = ["ant", "bee", "wasp", "fly"]
GOOD = Judgement("top1", 0.95, (0.9, 0.98), 0.5, 0.5, 200, 2, ())
GUESSING = Judgement("top1", 0.5, (0.4, 0.6), 0.5, 0.5, 80, 2, (1,))
FEW = Judgement("top1", 0.7, (0.45, 0.87), 0.5, 0.5, 16, 2, ())
NEVER = Judgement("balanced_top1", 0.75, (0.7, 0.8), 0.25, 0.25, 400, 4, (3,))
FAST, SLOW = Latency(4.0, 3.9, 4.3, 3.95, 4.1, 25, 300), Latency(6.0, 5.9, 6.3, 5.95, 6.1, 25, 300)
UNKNOWN = Latency(6.0, 5.9, 9.0, 5.5, 9.0, 25, 300, wall_ms=12.0, disturbed=0.97, least_ms=3.8, most_ms=9.0)
SMALLER = Lost("top1", 0.994, 0.228, 24, 16, False, 5.6)


def report(
    judged: Judgement = GOOD,
    latency: Latency = FAST,
    lost: Lost | None = None,
    epochs: float = 60,
    counts: dict[str, int] | None = None,
    **verdict: Any,
) -> dict[str, Any]:
    """What a run knows before there is a tick."""
    return {
        "verdict": {
            "model": "mobilenet_v2_1.0_96", "trained_model": "mobilenet_v2_1.0_96", "width": 1.0, "resolution": 96,
            "split": "val", "images": judged.images, "task": "classify", "runtime": "onnxruntime", "threads": 2,
            "top1": judged.value, "top1_interval": list(judged.interval), "judged_by": judged.metric,
            "baseline_top1": judged.baseline, "balanced_top1": judged.value,
            "balanced_top1_interval": list(judged.interval), "pretrained": None, "channels": 3, "load": [9.6, 8.0, 7.0],
            "lost": lost.to_json() if lost else None, **latency_fields(latency, 5.0), **verdict,
        },
        "judged": judged.to_json(), "timing": latency.to_json(),
        "data": {"classes": NAMES, "splits": {"train": counts or dict.fromkeys(NAMES, 90)}},
        "training": {"passes": float(epochs), "recipe": {"epochs": 60}, "seconds": 420.0, "stopped_early": False},
    }  # fmt: skip


def with_tick(content: dict[str, Any], settings: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    content["verdict"] |= tick(content, settings, "runs/mine")
    return content


def test_more_time_is_a_note_where_little_of_the_recipe_was_trained() -> None:
    (said,) = could_learn_more(report(epochs=1), SETTINGS, "runs/mine")
    assert said.startswith(
        "It may get better by training longer (there was time for 1 of 60 epochs): pocketvision fit "
    )
    assert said.endswith(" --out runs/mine --more-time 240m")
    assert could_learn_more(report(epochs=40), SETTINGS, "runs/mine") == []


def test_a_latency_that_is_no_more_than_bounds_is_called_so_on_either_side_of_the_budget() -> None:
    kept = Latency(4.0, 3.9, 4.3, 3.9, 4.2, 25, 300, least_ms=3.0, most_ms=4.3)
    content = with_tick(report(latency=kept))
    assert content["verdict"]["tick"] and not kept.reliable
    assert conditions(content["verdict"]).endswith("not known exactly beside other programs: 3.00–4.30 ms without them")
    assert "not known" not in conditions(with_tick(report())["verdict"])


FIT = "pocketvision fit 'my photos' --budget 5ms --time 8m --threads 2 --seed 3 --max-macs 100000000"
FIT += " --max-size 4000000B"


@pytest.mark.parametrize(
    ("content", "missing", "command"),
    [
        (report(latency=UNKNOWN), ["the latency could not be measured reliably: between 3.8 and 9 ms"],
         f"{FIT} --out runs/mine --retime"),
        (report(latency=SLOW), ["it does not keep the budget of 5 ms: it needs up to 6.1 ms"],
         FIT.replace("5ms", "6.41ms")),
        (report(GUESSING, epochs=9), ["it is no better than guessing: accuracy 50.0 %", 'it never answers "bee"'],
         f"{FIT} --out runs/mine --more-time 54m"),
        (report(GUESSING), ["it is no better than guessing: accuracy 50.0 %", 'it never answers "bee"'],
         FIT.replace("--seed 3", "--seed 3 --pretrained auto") + " --out runs/mine --fresh"),
        (report(GUESSING, channels=1), ["it is no better than guessing", 'it never answers "bee"'],
         "pocketvision doctor 'my photos'"),
        (report(FEW), ["16 held-out images are too few to tell it from guessing: accuracy 70.0 %, 45.0–87.0 %"],
         "pocketvision train 'my photos' --model mobilenet_v2_1.0_96 --folds 5"),
        (report(NEVER), ['it never answers "fly"'],
         "pocketvision train 'my photos' --model mobilenet_v2_1.0_96 --set balance=yes"),
        (report(lost=SMALLER), ["accuracy was lost after training: 99.4 % on the val split when training ended, 22.8 % "
                                "as it ships, at 16 px instead of 24 px to keep the budget"],
         FIT.replace("5ms", "5.88ms")),
        (report(GUESSING, SLOW, SMALLER), ["accuracy was lost after training", "it is no better than guessing",
                                           'it never answers "bee"', "it does not keep the budget"],
         FIT.replace("5ms", "5.88ms")),
    ],
)  # fmt: skip
def test_what_is_missing_and_what_helps(content: dict[str, Any], missing: list[str], command: str) -> None:
    verdict = with_tick(content)["verdict"]
    assert verdict["tick"] is False and len(verdict["missing"]) == len(missing)
    for said, wanted in zip(verdict["missing"], missing, strict=True):
        assert said.startswith(wanted)
    assert verdict["help"]["command"] == command
    line = without_tick(verdict)
    assert "\n" not in line and line.startswith(f"not usable yet: {verdict['missing'][0]}") and command in line


def test_few_images_of_a_class_are_what_is_missing() -> None:
    found = tick(
        report(GUESSING, epochs=1, counts={"ant": 140, "bee": 120, "wasp": 99, "fly": 1}), SETTINGS, "runs/mine"
    )
    assert found["help"] == {"text": 'more images of "fly" (there is 1)', "command": "pocketvision doctor 'my photos'"}
    found = tick(report(GUESSING, epochs=1, counts=dict.fromkeys(NAMES, 3)), SETTINGS, "runs/mine")
    assert found["help"]["text"].startswith('more images of 4 classes, such as "ant" (there are 3)')


def test_a_training_that_hardly_began_needs_more_than_three_times_as_long() -> None:
    found = tick(report(GUESSING, epochs=6), SETTINGS, "runs/mine")  # of 60
    assert found["help"]["command"].endswith("--more-time 80m")
    found = tick(report(GUESSING, epochs=0.1), SETTINGS, "runs/mine")
    assert found["help"]["command"].endswith("--more-time 240m")


def test_a_network_that_can_be_used_has_the_tick() -> None:
    verdict = with_tick(report())["verdict"]
    assert (verdict["tick"], verdict["missing"], verdict["help"]) == (True, [], None) and verdict["budget_met"]
    certain = Latency(4.0, 3.9, 4.3, 3.5, 4.9, 25, 300, disturbed=1.0, least_ms=2.0, most_ms=4.9)
    assert with_tick(report(latency=certain))["verdict"]["tick"]  # spoiled, and yet surely within the budget


def test_the_commands_are_such_that_the_command_line_takes() -> None:
    import typer

    group = typer.main.get_command(make_app())
    contents = [report(latency=UNKNOWN), report(latency=SLOW), report(GUESSING, epochs=9), report(GUESSING),
                report(FEW), report(NEVER), report(GUESSING, channels=1)]  # fmt: skip
    for content in contents:
        _, name, *arguments = shlex.split(with_tick(content)["verdict"]["help"]["command"])
        assert isinstance(group, typer.core.TyperGroup)
        group.commands[name].make_context(name, arguments)
    settings = {**SETTINGS, "pretrained": "auto", "device": "ssh://me@board", "limits": {}}
    assert "--pretrained auto --device ssh://me@board" in fit_command(settings)


@pytest.mark.parametrize(
    ("content", "title", "said"),
    [
        (report(), "✓ mobilenet_v2_1.0_96  within the budget of 5 ms",
         ["one answer for all reaches 50.0 %", "80 % of the calls 3.90–4.30 ms", "load 9.6"]),
        (report(lost=SMALLER), "✕ mobilenet_v2_1.0_96  accuracy was lost after training: 99.4 %", ["helps most"]),
        (report(GUESSING), "✕ mobilenet_v2_1.0_96  it is no better than guessing", ["missing it never answers"]),
        (report(NEVER), '✕ mobilenet_v2_1.0_96  it never answers "fly"',
         ["balanced accuracy 75.0 %", "each class counts alike; of all images 75.0 %"]),
        (report(latency=UNKNOWN), "– mobilenet_v2_1.0_96  the latency could not be measured reliably: between 3.8",
         ["--retime", "97 % of the calls disturbed by other programs", "wall time 12.0 ms"]),
    ],
)  # fmt: skip
def test_terminal_and_page_say_it_first(content: dict[str, Any], title: str, said: list[str], tmp_path: Path) -> None:
    made = with_tick(content)
    raw = io.StringIO()
    verdict_panel(made, Console(file=raw, width=400))
    printed = raw.getvalue()
    assert printed.startswith(title)
    words = " ".join(printed.split())
    write_report(made, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    for part in said:
        assert part in words, part
        on_page = part.removeprefix("missing ")
        assert on_page.split()[0].lower() in page.text.lower(), part
    first = title.split("  ")[1]
    assert first[0].upper() + first[1:] in page.text
    state = {"✓": "good", "✕": "bad", "–": "unknown"}[title[0]]
    assert any(tag == "span" and attrs.get("class") == f"state {state}" for tag, attrs in page.tags)
    assert (made["verdict"]["help"] is None) == ("What helps most" not in page.text)


def test_what_validation_showed_in_training() -> None:
    rows = [{"epoch": 1, "val_loss": 0.2, "val_top1": 0.9}, {"epoch": 2, "val_loss": 0.3, "val_top1": 0.8},
            {"epoch": 3, "val_loss": None, "val_top1": None}]  # fmt: skip
    assert validated(History(Recipe(), rows), "top1") == 0.8
    assert validated(History(Recipe(patience=2), rows), "top1") == 0.9  # the best epoch is the one that is kept
    assert validated(History(Recipe(), rows[2:]), "top1") is None
    labels = [0, 1] * 50
    assert is_far_below(answered(labels, [0] * 100, 2), 0.7) and not is_far_below(answered(labels, labels, 2), 0.99)
    assert not is_far_below(answered(labels, [1, 1] + labels[2:], 2), 1.0)  # within the noise of 100 images
    assert not is_far_below(answered(labels, labels, 2), None)
    assert is_far_below(several(300, 0.0), 0.9) and not is_far_below(several(300, 1.0), several(300, 1.0).map + 0.01)


@pytest.mark.parametrize(
    ("content", "status"),
    [(report(), 0), (report(latency=UNKNOWN), 1), (report(GUESSING), 1), (report(latency=SLOW), 1)],
)
def test_exit_status_and_standard_error_say_it_too(
    content: dict[str, Any], status: int, call_cli: Callable[..., Ran], tmp_path: Path
) -> None:
    """A script learns from the status whether the network can be used, from one line why not. The run is finished."""
    settings = {**SETTINGS, "data": "digits", "limits": {}, "threads": 1, "seed": 0}
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "settings.json").write_text(json.dumps(settings))
    verdict = with_tick(content, settings)["verdict"]
    (tmp_path / "report.json").write_text(json.dumps(content))
    done = call_cli("fit", "digits", "--budget", "5ms", "--time", "8m", "--out", tmp_path, "--json")
    assert done.returncode == status and json.loads(done.stdout)["verdict"] == verdict
    said = [line for line in done.stderr.splitlines() if line.startswith("not usable yet: ")]
    assert said == ([] if status == 0 else [without_tick(verdict)])

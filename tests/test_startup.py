"""What is answered before PyTorch is imported: help, and every mistake that the command line alone can tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import command_environment
from pocketvision.fitting.request import check_fit
from pocketvision.guidelines import asked
from pocketvision.guidelines.run import EXPERIMENTS
from pocketvision.models import MODELS
from pocketvision.validation import DIALS, FAMILIES

HEAVY = ("torch", "torchvision", "accelerate", "sklearn", "scipy", "matplotlib", "onnx", "onnxruntime")

# Runs command lines in one process in which nothing heavy can be imported, and says how each ended.
SCRIPT = """
import contextlib, io, json, sys
heavy = set(json.loads(sys.argv[1]))

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refused())
from pocketvision.cli import main
ended = []
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["pocketvision", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as leave:
            status = leave.code
    ended.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(ended))
"""

FIT = ["fit", "digits", "--budget", "5ms"]
TRAIN = ["train", "digits", "--model", "mobilenet_v1"]
WRONG: dict[str, tuple[list[str], str]] = {
    "budget without unit": (["fit", "digits", "--budget", "5"], "budget '5': give a number with a unit"),
    "budget of minutes": (["fit", "digits", "--budget", "5m"], "budget '5m' is 5 min for one image"),
    "budget of hours": (["fit", "digits", "--budget", "1h30m"], "budget '1h30m' is 90 min for one image"),
    "time without unit": ([*FIT, "--time", "5"], "time '5': give a number with a unit"),
    "more time without unit": ([*FIT, "--more-time", "5"], "more-time '5'"),
    "no threads": ([*FIT, "--threads", "0"], "0 threads: give 1 or more"),
    "more threads than cores": ([*FIT, "--threads", "9999"], "cannot use 9,999 threads"),
    "size without unit": ([*FIT, "--max-size", "4"], "max-size '4'"),
    "count that is none": ([*FIT, "--max-params", "many"], "max-params 'many'"),
    "runtime of fit": ([*FIT, "--runtime", "tflite"], "tflite"),
    "device of fit": ([*FIT, "--device", "gpu"], "unknown device 'gpu'"),
    "address of fit": ([*FIT, "--device", "ssh://"], "names no device"),
    "logger": ([*FIT, "--log", "paper"], "unknown logger 'paper'"),
    "data of fit": (["fit", "nowhere", "--budget", "5ms"], "data 'nowhere' not found"),
    "weights of fit": ([*FIT, "--pretrained", "none.pth"], "there is no file none.pth"),
    "model of train": (["train", "digits", "--model", "mobilenet_v7"], "did you mean 'mobilenet_v"),
    "data of train": (["train", "nowhere", "--model", "mobilenet_v1"], "data 'nowhere' not found"),
    "time of train": ([*TRAIN, "--time", "5"], "time '5'"),
    "empty time of train": ([*TRAIN, "--time", ""], "time ''"),
    "width": ([*TRAIN, "--width", "0"], "width 0 of mobilenet_v1"),
    "resolution": ([*TRAIN, "--resolution", "5000"], "resolution 5000 of mobilenet_v1"),
    "channels": ([*TRAIN, "--channels", "0"], "0 input channels"),
    "groups of another": ([*TRAIN, "--groups", "2"], "mobilenet_v1 has no groups"),
    "groups": (["train", "digits", "--model", "shufflenet_v1", "--groups", "5"], "choose one of 1, 2, 3, 4, 8"),
    "bypass": (["profile", "squeezenet_1.1", "--bypass", "short"], "choose one of complex, none, simple"),
    "epochs": ([*TRAIN, "--epochs", "0"], "epochs 0"),
    "rate": ([*TRAIN, "--lr", "-1"], "learning rate -1"),
    "folds": ([*TRAIN, "--folds", "1"], "1 fold: give 2 or more"),
    "field of the recipe": ([*TRAIN, "--set", "mixupp=1"], "did you mean 'mixup'"),
    "setting without value": ([*TRAIN, "--set", "mixup"], "give NAME=VALUE"),
    "data of doctor": (["doctor", "nowhere"], "data 'nowhere' not found"),
    "weights of doctor": (["doctor", "digits", "--pretrained", "none.pth"], "there is no file none.pth"),
    "pattern": (["models", "alexnet*"], "no model matches 'alexnet*'"),
    "model of profile": (["profile", "mobilenetv2"], "did you mean 'mobilenet_v2'"),
    "runtime of profile": (["profile", "mobilenet_v2", "--runtime", "ncnn"], "cannot look into runtime 'ncnn'"),
    "threads of profile": (["profile", "mobilenet_v2", "--threads", "0"], "0 threads"),
    "ending of profile": (["profile", "mobilenet_v2", "--out", "page.pdf"], "page.pdf"),
    "model of bench": (["bench", "mobilenetv2"], "did you mean 'mobilenet_v2'"),
    "file of bench": (["bench", "none.tflite"], "there is no file none.tflite"),
    "runtime of bench": (["bench", "mobilenet_v2", "--runtime", "onnx_runtime"], "did you mean 'onnxruntime'"),
    "threads of bench": (["bench", "mobilenet_v2", "--threads", "two"], "--threads two"),
    "runtime of the zoo": (["bench", "--zoo", "--runtime", "open"], "did you mean 'openvino'"),
    "experiment": (["guidelines", "--only", "G5"], "unknown experiment 'G5'"),
    "runtime of guidelines": (["guidelines", "--runtime", "mnn"], "guidelines do not take mnn"),
    "file of eval": (["eval", "none.onnx", "digits"], "there is no file none.onnx"),
    "data of eval": (["eval", "mobilenet_v1", "nowhere", "--pretrained", __file__], "data 'nowhere' not found"),
    "split of eval": (["eval", "mobilenet_v1", "digits", "--split", "vall"], "did you mean 'val'"),
    "file of predict": (["predict", "none.onnx", "x.png"], "there is no file none.onnx"),
    "images of predict": (
        ["predict", "mobilenet_v1", "x.png", "--pretrained", __file__],
        "cannot read x.png: not found",
    ),
    "weights of predict": (["predict", "mobilenet_v1", __file__], "mobilenet_v1 is only an architecture"),
    "no run to time again": ([*FIT, "--retime"], "runs/digits-5ms holds no finished run to time again"),
    "another run in the folder": ([*FIT, "--time", "2m", "--out", "run"], "with other settings (time, seed differ)"),
    "another run to time again": (
        [*FIT, "--time", "2m", "--out", "run", "--retime"],
        "with other settings (time, seed differ): --retime takes the run as it was made, give the settings that",
    ),
    "answers of predict": (["predict", "none.onnx", "x.png", "--top", "0"], "--top 0"),
    "model of export": (["export", "mobilenet_v7"], "did you mean 'mobilenet_v"),
    "format of export": (["export", "mobilenet_v1", "--to", "onxx"], "did you mean 'onnx'"),
    "place of export": (["export", "mobilenet_v1", "--out", "no/where/x.onnx"], "no/where/x.onnx"),
}


def in_one_process(lines: list[list[str]], heavy: tuple[str, ...], cwd: Path) -> list[tuple[int, str, str]]:
    command = [sys.executable, "-c", SCRIPT, json.dumps(heavy), json.dumps(lines)]
    done = subprocess.run(command, env=command_environment(), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(status, out, err) for status, out, err in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    lines, home = [arguments for arguments, _ in WRONG.values()], tmp_path_factory.mktemp("startup")
    begun = check_fit("digits", "5ms", "1m", 1, "onnxruntime", None, (None,) * 4, None, "auto", ())
    (home / "run" / "state").mkdir(parents=True)
    settings = begun.settings("elsewhere/digits", 1, "onnxruntime", None, 3, "auto")
    (home / "run" / "state" / "settings.json").write_text(json.dumps(settings))
    return dict(zip(WRONG, in_one_process(lines, HEAVY, home), strict=True))


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_answered_without_pytorch(case: str, ended: dict[str, tuple[int, str, str]]) -> None:
    status, out, err = ended[case]
    assert (status, out) == (2, ""), err
    assert err.startswith("error: ") and WRONG[case][1] in err and err.count("\n") == 1


def test_help_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    from pocketvision.commands import COMMANDS

    lines = [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]
    for line, (status, out, err) in zip(lines, in_one_process(lines, (*HEAVY, "numpy", "PIL"), tmp_path), strict=True):
        assert status == 0 and out and not err, (line, err)


def test_what_is_known_without_pytorch_is_what_there_is() -> None:
    assert list(FAMILIES) == list(MODELS)
    for name, dial in FAMILIES.items():
        found = MODELS[name].dial
        assert (found.name if found else None) == dial
        assert found is None or found.values == DIALS[found.name]
    assert asked.EXPERIMENTS == tuple(EXPERIMENTS)

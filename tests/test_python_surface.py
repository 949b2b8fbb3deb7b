"""What a Python caller may give: the wrong kind of thing is an InputError with a sentence, as on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pocketvision as pv
from pocketvision.errors import InputError
from pocketvision.runtimes.cores import usable_cores

NET = "mobilenet_v1"
MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "two classes of one name": (lambda: pv.create_model(NET, classes=["a", "b", "a"]), "'a' is there twice"),
    "a class without a name": (lambda: pv.create_model(NET, classes=["a", " "]), "' ' is no name"),
    "a class that is a number": (lambda: pv.create_model(NET, classes=["a", 5]), "5 is no name"),  # type: ignore[list-item]
    "a text for classes": (lambda: pv.create_model(NET, classes="ab"), "give their number, or a list of names"),
    "no class": (lambda: pv.create_model(NET, classes=[]), "give their number, or a list of names"),
    "zero classes": (lambda: pv.create_model(NET, classes=0), "0 classes for mobilenet_v1"),
    "half a class": (lambda: pv.create_model(NET, classes=2.5), "classes 2.5 of"),  # type: ignore[arg-type]
    "true classes": (lambda: pv.create_model(NET, classes=True), "classes True of"),
    "a negative width": (lambda: pv.create_model(NET, -0.5), "width -0.5 of mobilenet_v1"),
    "a width in words": (lambda: pv.create_model(NET, "0.5"), "width '0.5' of"),  # type: ignore[arg-type]
    "a width that is no number": (lambda: pv.create_model(NET, float("nan")), "width nan of"),
    "half a pixel": (lambda: pv.create_model(NET, resolution=96.5), "resolution 96.5 of"),  # type: ignore[arg-type]
    "three sides": (lambda: pv.create_model(NET, resolution=(96, 96, 3)), "resolution"),  # type: ignore[arg-type]
    "below the strides": (lambda: pv.create_model("mobilenet_v2", resolution=4), "below what mobilenet_v2 can take"),
    "no channels": (lambda: pv.create_model(NET, channels=0), "0 input channels"),
    "half a channel": (lambda: pv.create_model(NET, channels=1.5), "channels 1.5 of"),  # type: ignore[arg-type]
    "a number for a model": (lambda: pv.create_model(5), "5 is no model"),  # type: ignore[arg-type]
    "a budget without a unit": (lambda: pv.fit("digits", 5), "budget 5: give text with a unit"),  # type: ignore[arg-type]
    "a time without a unit": (lambda: pv.fit("digits", "5ms", time=20), "time 20: give text"),  # type: ignore[arg-type]
    "macs as a number": (lambda: pv.fit("digits", "5ms", max_macs=10**8), "100000000"),  # type: ignore[arg-type]
    "data that are a number": (lambda: pv.fit(5, "5ms"), "5 .int. is no data"),  # type: ignore[arg-type]
    "threads in words": (lambda: pv.fit("digits", "5ms", threads="2"), "threads '2'"),  # type: ignore[arg-type]
    "training a number": (lambda: pv.train("digits", 5), "5 .int. is no model"),  # type: ignore[arg-type]
    "training on a list": (lambda: pv.train(["a"], NET), "is no data"),  # type: ignore[arg-type]
    "timing what is no file": (lambda: pv.bench("x"), "x is not an exported file"),
    "timing a number": (lambda: pv.bench(5), "cannot time 5 .int."),  # type: ignore[arg-type]
    "loading a number": (lambda: pv.load(5), "5 .int. is no model file"),  # type: ignore[arg-type]
    "evaluating a number": (lambda: pv.evaluate(5, "digits"), "cannot evaluate 5"),  # type: ignore[arg-type]
    "exporting a name": (lambda: pv.export(NET), "cannot export 'mobilenet_v1' .str."),  # type: ignore[arg-type]
    "profiling a name": (lambda: pv.profile(NET), "cannot profile 'mobilenet_v1'"),  # type: ignore[arg-type]
    "saving a name": (lambda: pv.save(NET, "a.safetensors"), "cannot save 'mobilenet_v1'"),  # type: ignore[arg-type]
    "looking at a number": (lambda: pv.doctor(5), "5 .int. is no data"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", MISTAKES)
def test_the_wrong_kind_of_thing_is_said(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, said = MISTAKES[what]
    with pytest.raises(InputError, match=said) as found:
        call()
    assert "\n" not in str(found.value) and not list(tmp_path.iterdir())


def test_numpy_s_numbers_and_names_are_as_good() -> None:
    net = pv.create_model(NET, np.float32(0.25), np.int64(32), np.int64(3))  # type: ignore[arg-type]
    named = pv.create_model(NET, 0.25, 32, np.array(["a", "b", "c"]))  # type: ignore[arg-type]
    assert named.classes == ("a", "b", "c") and named.spec == net.spec
    assert pv.Spec.from_json(net.spec.to_json()) == net.spec


def test_more_threads_than_cores_are_refused(tmp_path: Path) -> None:
    net = pv.create_model(NET, 0.25, 32, 3).eval()
    path = pv.export(net, path=tmp_path / "model.onnx")["path"]
    many: Any = usable_cores() + 1
    for call in (lambda: pv.load(path, threads=many), lambda: pv.profile(net, threads=many)):
        with pytest.raises(InputError, match=f"cannot use {many} threads: this process may use"):
            call()
    with pytest.raises(InputError, match="-1 threads"):
        pv.load(path, threads=-1)
    assert pv.load(path, threads=1).classes == ("0", "1", "2")

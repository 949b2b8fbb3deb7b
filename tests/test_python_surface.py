"""What a Python caller may give: the wrong kind of thing is an InputError with a sentence, as on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pocketvision as pv
from pocketvision.arguments import as_annotated
from pocketvision.data.arrays import from_fractions
from pocketvision.errors import InputError
from pocketvision.runtimes.cores import usable_cores
from pocketvision.training.recipe import Recipe

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
    "too many classes": (lambda: pv.create_model(NET, classes=10**30), "up to 1,000,000"),
    "a number of PyTorch for classes": (lambda: pv.create_model(NET, classes=np.array(3)), "give their number"),  # type: ignore[arg-type]
    "channels that are nothing": (lambda: pv.create_model(NET, channels=None), "channels None of"),  # type: ignore[arg-type]
    "one side": (lambda: pv.create_model(NET, resolution=(96,)), "resolution"),  # type: ignore[arg-type]
    "weights that are a number": (lambda: pv.create_model(NET, weights=5), "weights 5 of create_model: give a path"),  # type: ignore[arg-type]
    "groups that are true": (lambda: pv.create_model("shufflenet_v1", groups=True), "groups True of"),
    "a device that is a number": (lambda: pv.fit("digits", "5ms", device=0), "device 0 of fit: give text"),  # type: ignore[arg-type]
    "a log that is none": (lambda: pv.train("digits", NET, log=None), "log None of train: give a list of text"),  # type: ignore[arg-type]
    "a place that is a number": (lambda: pv.train("digits", NET, out=5), "out 5 of train: give a path"),  # type: ignore[arg-type]
    "a place that cannot be": (lambda: pv.train("digits", NET, out="a\0b"), "of train: give a path"),
    "epochs in words": (lambda: pv.train("digits", NET, epochs="3"), "epochs '3' of train: give a whole number"),  # type: ignore[arg-type]
    "settings in words": (lambda: pv.train("digits", NET, settings="mixup"), "give a dictionary of text"),  # type: ignore[arg-type]
    "a seed without end": (lambda: pv.train("digits", NET, seed=10**30), "seed 1000"),
    "no, meaning yes": (lambda: pv.train("digits", NET, fresh="no"), "fresh 'no' of train: give True or False"),  # type: ignore[arg-type]
    "folds in halves": (lambda: pv.train("digits", NET, folds=2.5), "folds 2.5 of train"),  # type: ignore[arg-type]
    "a format that is a number": (lambda: pv.export(pv.create_model(NET, 0.25, 32), to=5), "to 5 of export: give text"),  # type: ignore[arg-type]
    "no rounds": (lambda: pv.profile(pv.create_model(NET, 0.25, 32), rounds=0), "0 rounds: give 1 or more"),
    "images that are one": (
        lambda: pv.export(pv.create_model(NET, 0.25, 32), images=5),
        "images 5 of export: give a list",
    ),  # type: ignore[arg-type]
    "predicting nowhere": (lambda: pv.create_model(NET, 0.25, 32).eval().predict(""), "'' .str. is no image"),
    "predicting text": (lambda: pv.create_model(NET, 0.25, 32).eval().predict("x" * 5000), "is no image"),
    "a rate that is no number": (lambda: Recipe(lr=float("nan")), "lr nan in the recipe: give a number"),
    "a batch in halves": (lambda: Recipe(batch=2.5), "batch 2.5 in the recipe: give a whole number"),  # type: ignore[arg-type]
    "smoothing beyond all": (lambda: Recipe(label_smoothing=5.0), "label_smoothing 5 in the recipe"),
    "decay below nothing": (lambda: Recipe(weight_decay=-1.0), "weight_decay -1 in the recipe: give 0 or more"),
    "a crop from large to small": (lambda: Recipe(crop=(0.9, 0.1)), "crop 0.9,0.1 in the recipe"),
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


def test_annotations_are_read_as_they_are_written() -> None:
    @as_annotated("own")
    def call(own: int, place: str | Path | None = None, names: Sequence[str] = (), share: float = 0.5) -> object:
        return own, place, names, share

    assert call("anything", Path("a"), ["b"], 1) == ("anything", Path("a"), ["b"], 1)  # type: ignore[arg-type]
    assert call.__name__ == "call" and call(1, share=np.float32(2)) == (1, None, (), 2)  # type: ignore[arg-type]
    for wrong in ({"place": b"a"}, {"names": "ab"}, {"names": [1]}, {"share": True}, {"share": "1"}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} .* of call: give "):
            call(1, **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword"):
        call(1, other=2)  # type: ignore[call-arg]


def test_floats_that_resizing_has_put_beyond_1_are_still_fractions() -> None:
    assert from_fractions(np.array([-1e-6, 0.5, 1 + 1e-6])).tolist() == [0, 128, 255]
    with pytest.raises(ValueError, match="from -0.01 to 1"):
        from_fractions(np.array([-0.01, 1.0]))


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
